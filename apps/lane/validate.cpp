#include "apps/lane/validate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <sstream>

#include "apps/common/files.h"
#include "apps/common/json_file.h"
#include "apps/common/program.h"
#include "apps/common/progress.h"
#include "layerwise/error.h"
#include "layerwise/metrics.h"

namespace layerwise::apps {
namespace fs = std::filesystem;
namespace {

constexpr int kNone = -2;

struct Labels {
  std::string image;
  std::vector<SampledLane> lanes;
  std::vector<int> rows;
};

std::vector<Labels> readLabels(const std::string& path) {
  std::istringstream text(readText(path, "labels"));
  std::vector<Labels> all;
  std::string line;
  for (int number = 1; std::getline(text, line); ++number) {
    if (line.find_first_not_of(" \r\t") == line.npos) continue;
    try {
      const auto json = nlohmann::json::parse(line);
      const fs::path image = json.at("raw_file").get<std::string>();
      all.push_back(
          {image.is_absolute() ? image.string() : (fs::path(path).parent_path() / image).string(),
           json.at("lanes").get<std::vector<SampledLane>>(),
           json.at("h_samples").get<std::vector<int>>()});
    } catch (const nlohmann::json::exception&) {
      throw Error(ErrorCode::kBadFile,
                  fmt::format("[labels {} line {}] is no TuSimple label: an object with raw_file, "
                              "lanes and h_samples",
                              path, number));
    }
  }
  if (all.empty()) throw Error(ErrorCode::kBadFile, fmt::format("[labels {}] is empty", path));
  return all;
}

/// A lane known at some rows as one at others: linear between two neighbours that both know it.
SampledLane resample(const SampledLane& lane, const std::vector<int>& rows,
                     const std::vector<int>& wanted) {
  SampledLane result;
  for (int row : wanted) {
    const auto above = std::lower_bound(rows.begin(), rows.end(), row);
    int x = kNone;
    if (above != rows.end()) {
      const auto high = static_cast<std::size_t>(above - rows.begin());
      if (*above == row) {
        x = lane[high];
      } else if (high > 0 && lane[high] >= 0 && lane[high - 1] >= 0) {
        const double share =
            static_cast<double>(row - rows[high - 1]) / (rows[high] - rows[high - 1]);
        x = static_cast<int>(std::lround(lane[high - 1] + share * (lane[high] - lane[high - 1])));
      }
    }
    result.push_back(x);
  }
  return result;
}

}  // namespace

int validateLanes(LaneDetector& detector, const std::string& path, const std::string& json,
                  bool quiet) {
  const std::vector<Labels> labels = readLabels(path);
  LaneMetrics sum;
  StageTimes times;
  const auto start = Stopwatch::Clock::now();
  {
    ProgressBar bar(!quiet);
    for (std::size_t i = 0; i < labels.size(); ++i) {
      throwIfInterrupted();
      Image image;
      {
        const auto lap = times.reading.lap();
        image = readImage(labels[i].image);
      }
      const auto logits = detector.run(image.view(), times);
      const auto lap = times.postprocessing.lap();
      const std::vector<int> rows = sampleRows(detector.grid(), image.height);
      std::vector<SampledLane> found;
      for (const SampledLane& lane : sampleLanes(detector.grid(), logits, image.width))
        found.push_back(resample(lane, rows, labels[i].rows));
      const LaneMetrics one = evaluateLanes(found, labels[i].lanes, labels[i].rows);
      sum.accuracy += one.accuracy;
      sum.falsePositives += one.falsePositives;
      sum.falseNegatives += one.falseNegatives;
      bar.update(static_cast<double>(i + 1) / static_cast<double>(labels.size()), labels[i].image);
    }
  }
  const double seconds = std::chrono::duration<double>(Stopwatch::Clock::now() - start).count();
  const auto count = static_cast<double>(labels.size());
  const double accuracy = sum.accuracy / count, positives = sum.falsePositives / count,
               negatives = sum.falseNegatives / count;
  if (!json.empty())
    writeJson(json, {{"accuracy", accuracy},
                     {"fp", positives},
                     {"fn", negatives},
                     {"images", labels.size()},
                     {"seconds", seconds}});
  if (json == "-") return 0;
  fmt::print("accuracy {:.4f}, false positives {:.4f}, false negatives {:.4f} of {} images\n",
             accuracy, positives, negatives, labels.size());
  if (!quiet) printStageTimes(times, static_cast<std::int64_t>(labels.size()), seconds);
  return 0;
}

}  // namespace layerwise::apps
