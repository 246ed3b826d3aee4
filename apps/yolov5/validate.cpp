#include "apps/yolov5/validate.h"

#include <fmt/format.h>

#include <algorithm>

#include "apps/common/class_names.h"
#include "apps/common/json_file.h"
#include "apps/common/progress.h"
#include "apps/yolov5/batches.h"
#include "layerwise/dataset.h"
#include "layerwise/error.h"
#include "layerwise/metrics.h"

namespace layerwise::apps {
namespace {

std::vector<LabelledBox> readLabels(const std::string& path, const Letterbox& letterbox,
                                    int classes) {
  std::vector<LabelledBox> boxes;
  for (const YoloLabel& label : readYoloLabels(path)) {
    if (label.classId >= classes)
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("[labels {}] class {}: the engine has {} classes, 0 to {}", path,
                              label.classId, classes, classes - 1));
    boxes.push_back(
        {label.classId, labelToImage(letterbox, label.cx, label.cy, label.width, label.height)});
  }
  return boxes;
}

void print(const DetectionReport& report, const std::vector<std::string>& names, bool quiet) {
  std::size_t width = 5;
  for (const ClassMetrics& one : report.classes)
    width = std::max(width, className(names, one.classId).size());
  const auto row = [&](const std::string& name, std::int64_t labels, double precision,
                       double recall, double ap50, double ap) {
    fmt::print("{:{}}  {:6}  {:9.3f}  {:6.3f}  {:6.3f}  {:7.3f}\n", name, width, labels, precision,
               recall, ap50, ap);
  };
  fmt::print("{:{}}  {:>6}  {:>9}  {:>6}  {:>6}  {:>7}\n", "class", width, "labels", "precision",
             "recall", "AP50", "AP50-95");
  row("all", report.labels, report.precision, report.recall, report.map50, report.map50To95);
  if (quiet) return;
  for (const ClassMetrics& one : report.classes)
    row(className(names, one.classId), one.labels, one.precision, one.recall, one.ap50,
        one.ap50To95);
}

nlohmann::ordered_json toJson(const DetectionReport& report, const std::vector<std::string>& names,
                              double seconds) {
  nlohmann::ordered_json classes = nlohmann::ordered_json::array();
  for (const ClassMetrics& one : report.classes)
    classes.push_back({{"class", one.classId},
                       {"name", className(names, one.classId)},
                       {"labels", one.labels},
                       {"precision", one.precision},
                       {"recall", one.recall},
                       {"ap50", one.ap50},
                       {"ap50_95", one.ap50To95}});
  return {{"map50", report.map50},
          {"map50_95", report.map50To95},
          {"images", report.images},
          {"labels", report.labels},
          {"precision", report.precision},
          {"recall", report.recall},
          {"seconds", seconds},
          {"classes", classes}};
}

}  // namespace

int validate(std::shared_ptr<const Engine> engine, const DetectorOptions& options,
             const ValidationRequest& request) {
  const YoloDataset dataset = openYoloDataset(request.dataset);
  std::vector<InputFile> files;
  for (const std::string& path : dataset.images) files.push_back({path, path, false});
  const auto& names = request.names.empty() ? dataset.names : request.names;

  Detector detector(std::move(engine), options);
  DetectionMetrics metrics;
  StageTimes times;
  const auto start = Stopwatch::Clock::now();
  Unreadable unreadable;
  {
    ProgressBar bar(!request.quiet);
    unreadable = forEachPicture(detector, files, times, [&](Seen& seen) {
      const auto labels =
          readLabels(dataset.labels[seen.file], seen.findings.letterbox, detector.classes());
      metrics.add(seen.findings.detections, labels);
      bar.update(static_cast<double>(seen.file + 1) / static_cast<double>(files.size()),
                 files[seen.file].path);
    });
  }
  const double seconds = std::chrono::duration<double>(Stopwatch::Clock::now() - start).count();
  if (unreadable.met > 0)
    throw Error(ErrorCode::kBadFile,
                fmt::format("[data set {}] {} of its {} pictures could not be read",
                            request.dataset, unreadable.met, files.size()));
  const DetectionReport report = metrics.report();
  if (report.labels == 0)
    throw Error(ErrorCode::kBadFile,
                fmt::format("[data set {}] has no labels: for images/a.jpg they are looked for in "
                            "labels/a.txt",
                            request.dataset));
  if (!request.json.empty()) writeJson(request.json, toJson(report, names, seconds));
  if (request.json == "-") return 0;
  print(report, names, request.quiet);
  if (!request.quiet) {
    fmt::print("{:.2f} s: ", seconds);
    printStageTimes(times, report.images, seconds);
  }
  return 0;
}

}  // namespace layerwise::apps
