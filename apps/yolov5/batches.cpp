#include "apps/yolov5/batches.h"

#include <optional>

#include "apps/common/program.h"
#include "apps/common/read_picture.h"

namespace layerwise::apps {
namespace {

/// The pictures that wait for the next run.
struct Batch {
  std::vector<std::size_t> files;
  std::vector<Image> images;
  std::vector<Letterbox> plans;

  bool fits(const Letterbox& plan) const {
    return plans.empty() || (plans[0].width == plan.width && plans[0].height == plan.height);
  }
};

void runBatch(Detector& detector, Batch& batch, StageTimes& times,
              const std::function<void(Seen&)>& take) {
  if (batch.files.empty()) return;
  const double before = times.inference.seconds();
  std::vector<Findings> found = detector.detect(batch.images, batch.plans, times);
  const double each =
      (times.inference.seconds() - before) * 1e3 / static_cast<double>(batch.files.size());
  for (std::size_t i = 0; i < batch.files.size(); ++i) {
    throwIfInterrupted();
    Seen seen{batch.files[i], std::move(batch.images[i]), std::move(found[i]), each};
    take(seen);
  }
  batch = {};
}

}  // namespace

Unreadable forEachPicture(Detector& detector, const std::vector<InputFile>& files,
                          StageTimes& times, const std::function<void(Seen&)>& take) {
  Unreadable unreadable;
  Batch batch;
  for (std::size_t i = 0; i < files.size(); ++i) {
    throwIfInterrupted();
    std::optional<Image> image = readPicture(files[i], times);
    if (!image) {
      ++(files[i].named ? unreadable.named : unreadable.met);
      continue;
    }
    const Letterbox plan = detector.plan(image->width, image->height);
    if (!batch.fits(plan)) runBatch(detector, batch, times, take);
    batch.files.push_back(i);
    batch.images.push_back(std::move(*image));
    batch.plans.push_back(plan);
    if (static_cast<int>(batch.files.size()) == detector.batch())
      runBatch(detector, batch, times, take);
  }
  runBatch(detector, batch, times, take);
  return unreadable;
}

}  // namespace layerwise::apps
