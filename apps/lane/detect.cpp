#include "apps/lane/detect.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "apps/common/files.h"
#include "apps/common/output_names.h"
#include "apps/common/program.h"
#include "apps/common/progress.h"
#include "apps/common/read_picture.h"
#include "apps/common/save_picture.h"
#include "layerwise/draw.h"

namespace layerwise::apps {
namespace {

/// One line of TuSimple's format: x at each of the rows h_samples, -2 where there is no lane.
std::string tuSimpleLine(const InputFile& file, const std::vector<std::vector<int>>& lanes,
                         const std::vector<int>& rows, double milliseconds) {
  using Json = nlohmann::ordered_json;
  const Json line = {
      {"raw_file", file.path}, {"lanes", lanes}, {"h_samples", rows}, {"run_time", milliseconds}};
  return line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

void annotate(Image& image, const std::vector<std::vector<Point>>& lanes) {
  const int width = suitableLineWidth(image.width, image.height);
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    const Color color = classColor(static_cast<int>(i));
    drawPolyline(image.view(), lanes[i], color, false, width);
    for (const Point& point : lanes[i])
      drawPoint(image.view(), point, static_cast<float>(width) * 1.5f, color);
  }
}

class LaneRun {
 public:
  LaneRun(LaneDetector& detector, const PicturesRequest& request, const std::string& raw)
      : detector_(detector), request_(request), raw_(raw), outputs_(request.files) {}

  int run() {
    const auto start = Stopwatch::Clock::now();
    std::int64_t named = 0, met = 0, done = 0;
    {
      ProgressBar bar(!request_.quiet);
      for (const InputFile& file : request_.files) {
        throwIfInterrupted();
        if (std::optional<Image> image = readPicture(file, times_)) {
          process(file, *image);
          ++done;
        } else {
          ++(file.named ? named : met);
        }
        bar.update(
            static_cast<double>(done + named + met) / static_cast<double>(request_.files.size()),
            file.relative);
      }
    }
    if (request_.json == "-")
      fmt::print("{}", lines_);
    else if (!request_.json.empty())
      writeFile(request_.json, lines_, "results");
    const std::chrono::duration<double> seconds = Stopwatch::Clock::now() - start;
    if (!request_.quiet) printStageTimes(times_, done, seconds.count());
    return reportUnreadable(named, met);
  }

 private:
  void process(const InputFile& file, Image& image) {
    const double before = times_.inference.seconds();
    const auto logits = detector_.run(image.view(), times_);
    const double milliseconds = (times_.inference.seconds() - before) * 1e3;
    std::vector<std::vector<Point>> lanes;
    {
      const auto lap = times_.postprocessing.lap();
      lanes = decodeLanes(detector_.grid(), logits, image.width, image.height);
    }
    const auto lap = times_.writing.lap();
    if (!request_.quiet) {
      ProgressBar::clear();
      const auto found =
          std::count_if(lanes.begin(), lanes.end(), [](const auto& lane) { return !lane.empty(); });
      fmt::print("{}: {}x{} {} lane{} ({:.1f} ms)\n", file.path, detector_.input().height(),
                 detector_.input().width(), found, found == 1 ? "" : "s", milliseconds);
    }
    if (!request_.json.empty())
      lines_ += tuSimpleLine(file, sampleLanes(detector_.grid(), logits, image.width),
                             sampleRows(detector_.grid(), image.height), milliseconds);
    if (!raw_.empty())
      for (const auto& [name, array] : detector_.outputs())
        writeNpy(outputs_.claim(besideName(file, raw_, "." + name + ".npy")), array);
    if (request_.save) {
      annotate(image, lanes);
      savePicture(outputs_.claim(annotatedName(file, request_.out)), image);
    }
  }

  LaneDetector& detector_;
  const PicturesRequest& request_;
  const std::string& raw_;
  OutputNames outputs_;
  StageTimes times_;
  std::string lines_;
};

}  // namespace

int detectLanes(LaneDetector& detector, const PicturesRequest& request, const std::string& raw) {
  return LaneRun(detector, request, raw).run();
}

}  // namespace layerwise::apps
