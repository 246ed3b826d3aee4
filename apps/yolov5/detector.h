#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "apps/common/size.h"
#include "apps/common/stage_times.h"
#include "layerwise/box.h"
#include "layerwise/engine.h"
#include "layerwise/image.h"
#include "layerwise/preprocess.h"

namespace layerwise::apps {

inline constexpr int kReferenceMaxDetections = 1000;  ///< detect.py's

struct DetectorOptions {
  double confidence = 0.25;
  double iou = 0.45;
  int maxDetections = 0;  ///< 0: as many as the engine gives, at most the reference's 1000
  bool agnostic = false;
  bool multiLabel = false;
  bool rect = false;
  bool validation = false;   ///< the letterbox of the reference's val.py instead of detect.py's
  std::vector<int> classes;  ///< empty: all
  ImageSize size;            ///< 0x0: the engine's own
  int batch = 0;             ///< 0: the engine's most
  int threads = 0;
};

/// What was found on one picture.
struct Findings {
  Letterbox letterbox;
  std::vector<Detection> detections;  ///< boxes in the picture's pixels; best score first
  std::vector<Box> networkBoxes;      ///< the same in the network's pixels
  int maskCount = 0;                  ///< coefficients a detection; 0: no segmentation
  std::vector<float> coefficients;    ///< [detections][maskCount]
  std::vector<float> prototypes;      ///< [maskCount][protoHeight][protoWidth]
  int protoHeight = 0;
  int protoWidth = 0;
};

/// Runs a detection or segmentation engine, whose thresholds are inputs, on batches of pictures.
class Detector {
 public:
  /// Throws Error where the options ask for what the engine was not built for, with both numbers.
  Detector(std::shared_ptr<const Engine> engine, const DetectorOptions& options);

  int batch() const { return batch_; }
  int classes() const { return static_cast<int>(filter_.size()); }
  int maskCount() const { return maskCount_; }

  /// Where a picture of that size will lie in the network's input. Pictures of one batch must have
  /// the same input size.
  Letterbox plan(int width, int height) const;

  /// At most batch() pictures with their plans.
  std::vector<Findings> detect(std::span<const Image> images, std::span<const Letterbox> plans,
                               StageTimes& times);

 private:
  void chooseSize(const IoInfo& images);
  void chooseBatch(const IoInfo& images);
  Findings findings(std::size_t index, const Letterbox& plan) const;

  std::shared_ptr<const Engine> engine_;
  std::unique_ptr<ExecutionContext> context_;
  DetectorOptions options_;
  int batch_ = 1;
  int stride_ = 32;
  ImageSize size_;
  std::int64_t capacity_ = 0;
  int maskCount_ = 0;
  std::vector<float> runTime_;
  std::vector<float> filter_;
  // Memory of the inputs and outputs of one batch.
  std::vector<float> planes_;
  std::vector<std::int32_t> counts_;
  std::vector<float> detections_;
  std::vector<float> prototypes_;
  std::vector<float> raw_;
  Dims protoDims_;
};

}  // namespace layerwise::apps
