#include "apps/yolov5/detect.h"

#include <fmt/format.h>

#include "apps/common/files.h"
#include "apps/common/json_file.h"
#include "apps/common/output_names.h"
#include "apps/common/program.h"
#include "apps/common/progress.h"
#include "apps/common/save_picture.h"
#include "apps/yolov5/annotate.h"
#include "apps/yolov5/batches.h"
#include "apps/yolov5/results.h"

namespace layerwise::apps {
int detectPictures(std::shared_ptr<const Engine> engine, const DetectorOptions& options,
                   const PicturesRequest& request, const std::string& labels) {
  Detector detector(std::move(engine), options);
  OutputNames outputs(request.files);
  nlohmann::ordered_json results = nlohmann::ordered_json::array();
  StageTimes times;
  std::int64_t done = 0;
  const auto start = Stopwatch::Clock::now();
  Unreadable unreadable;
  {
    ProgressBar bar(!request.quiet);
    unreadable = forEachPicture(detector, request.files, times, [&](Seen& seen) {
      const InputFile& file = request.files[seen.file];
      std::vector<ObjectMask> masks;
      {
        const auto lap = times.postprocessing.lap();
        masks = makeMasks(seen.findings);
      }
      const auto lap = times.writing.lap();
      if (!request.quiet) {
        ProgressBar::clear();
        const Letterbox& letterbox = seen.findings.letterbox;
        fmt::print("{}: {}x{} {} ({:.1f} ms)\n", file.path, letterbox.height, letterbox.width,
                   describe(seen.findings.detections, request.names), seen.milliseconds);
      }
      if (!request.json.empty()) addCocoResults(results, file, seen.findings, masks);
      if (!labels.empty())
        writeFile(outputs.claim(besideName(file, labels, ".txt")), labelText(seen.findings, masks),
                  "labels");
      if (request.save) {
        annotate(seen.image, seen.findings, masks, request.names);
        savePicture(outputs.claim(annotatedName(file, request.out)), seen.image);
      }
      ++done;
      bar.update(static_cast<double>(seen.file + 1) / static_cast<double>(request.files.size()),
                 file.relative);
    });
  }
  if (!request.json.empty()) writeJson(request.json, results);
  const std::chrono::duration<double> seconds = Stopwatch::Clock::now() - start;
  if (!request.quiet) printStageTimes(times, done, seconds.count());
  return reportUnreadable(unreadable.named, unreadable.met);
}

}  // namespace layerwise::apps
