#pragma once

#include <span>
#include <vector>

#include "layerwise/nms.h"
#include "layerwise/plugin.h"

namespace layerwise {

/// What the detection plugins have in common: the two inputs that hold the run-time options, the
/// suppression, and the outputs.
///
/// Inputs: options [5] = confidence, IoU, most detections (at most the capacity), agnostic (0 or
/// 1), several labels a box (0 or 1); class filter [classes], 0 for a class that is not wanted.
/// Outputs: count [N] int32; detections [N x capacity x (6 + masks)] = x1, y1, x2, y2 in input
/// pixels, score, class, mask coefficients, best first, zero behind the count.
class DetectionOutput {
 public:
  static constexpr std::int64_t kOptions = 5;

  /// Throws Error kBadFile for numbers that cannot be meant.
  DetectionOutput(std::int64_t classes, std::int64_t masks, std::int64_t capacity);

  std::int64_t capacity() const { return capacity_; }
  /// Throws Error where the two inputs have other shapes.
  std::vector<TensorInfo> outputs(std::int64_t batch, const TensorInfo& options,
                                  const TensorInfo& classFilter) const;

  /// Throws Error for options that cannot be meant, with the number at fault.
  NmsOptions read(const TensorView& options, const TensorView& classFilter) const;
  /// Suppresses `rows` (nonMaxSuppression's form) and writes the outputs of one image.
  void write(std::int64_t image, std::span<const float> rows, const NmsOptions& options,
             const TensorView& count, const TensorView& detections) const;

 private:
  std::int64_t classes_;
  std::int64_t masks_;
  std::int64_t capacity_;
};

}  // namespace layerwise
