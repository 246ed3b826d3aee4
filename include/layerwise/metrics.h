#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "layerwise/box.h"
#include "layerwise/export.h"

namespace layerwise {

// ---- Detection ----------------------------------------------------------------------------------

/// An object that is really there, in the picture's pixels.
struct LabelledBox {
  int classId = 0;
  Box box;
};

/// One class. AP is the area under precision over recall: at IoU 0.5, and as the mean over the IoUs
/// 0.5, 0.55 ... 0.95.
struct ClassMetrics {
  int classId = 0;
  std::int64_t labels = 0;  ///< objects that are really there
  double precision = 0.0;
  double recall = 0.0;
  double ap50 = 0.0;
  double ap50To95 = 0.0;
};

/// All classes: means over those that have labels. Precision and recall are taken at the confidence
/// where the mean F1 over classes is highest.
struct DetectionReport {
  std::int64_t images = 0;
  std::int64_t labels = 0;
  double precision = 0.0;
  double recall = 0.0;
  double map50 = 0.0;
  double map50To95 = 0.0;
  std::vector<ClassMetrics> classes;  ///< those that have labels, by ascending id
};

/// YOLOv5's evaluation (v7: process_batch() in val.py, ap_per_class() in utils/metrics.py):
/// matching at the IoUs 0.5, 0.55 ... 0.95 and average precision by 101-point interpolation.
class LAYERWISE_API DetectionMetrics {
 public:
  DetectionMetrics();
  ~DetectionMetrics();
  DetectionMetrics(DetectionMetrics&&) noexcept;
  DetectionMetrics& operator=(DetectionMetrics&&) noexcept;

  /// One image: what was found, best score first as nonMaxSuppression() gives it, with boxes in
  /// the same pixels as the labels.
  void add(std::span<const Detection> detections, std::span<const LabelledBox> labels);
  DetectionReport report() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// ---- Classification -----------------------------------------------------------------------------

struct ClassScore {
  int classId = 0;
  float probability = 0.0f;
};

/// The `count` most probable classes by softmax, best first; ties by ascending id.
LAYERWISE_API std::vector<ClassScore> topClasses(std::span<const float> logits, int count);

/// How often the right class is the best, and among the best five.
class LAYERWISE_API TopAccuracy {
 public:
  /// Throws Error for a label that is not one of the logits' classes.
  void add(std::span<const float> logits, int label);
  std::int64_t images() const { return images_; }
  double top1() const { return images_ ? static_cast<double>(first_) / images_ : 0.0; }
  double top5() const { return images_ ? static_cast<double>(fifth_) / images_ : 0.0; }

 private:
  std::int64_t images_ = 0;
  std::int64_t first_ = 0;
  std::int64_t fifth_ = 0;
};

// ---- Lanes --------------------------------------------------------------------------------------

/// A lane in TuSimple's form: x at each of the image's sample rows, negative where there is none.
using SampledLane = std::vector<int>;

struct LaneMetrics {
  double accuracy = 0.0;
  double falsePositives = 0.0;  ///< share of the lanes found
  double falseNegatives = 0.0;  ///< share of the lanes that are there
};

/// TuSimple's benchmark of one image (evaluate/lane.py): points within 20 pixels, widened by the
/// lane's slope, and lanes of which 85 % of the points are right. Throws Error where a lane has not
/// one x a sample row. Every lane of `found` counts as found, one without a point too, as the
/// authors of Ultra-Fast-Lane-Detection count.
LAYERWISE_API LaneMetrics evaluateLanes(std::span<const SampledLane> found,
                                        std::span<const SampledLane> truth,
                                        std::span<const int> sampleRows);

}  // namespace layerwise
