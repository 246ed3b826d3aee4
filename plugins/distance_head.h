#pragma once

#include <span>
#include <vector>

#include "layerwise/fields.h"
#include "layerwise/plugin.h"

namespace layerwise {

/// YOLOv8's anchor-free head (ultralytics/ultralytics, nn/modules/head.py, Detect). Two maps a
/// level: N x 4 bins x H x W, the logits of the distances from the cell's centre to the left, top,
/// right and bottom side in strides, a distribution over 0...bins - 1 each (distribution focal
/// loss, Li et al. 2020), and N x classes x H x W, the logits of the classes.
struct DistanceHead {
  std::int64_t classes = 0;
  std::int64_t bins = 0;
  std::vector<std::int64_t> strides;

  /// Reads "classes", "bins" and "strides". Throws Error kBadFile for what cannot be meant.
  static DistanceHead from(const Fields& fields);
  void writeTo(Fields& fields) const;

  std::size_t maps() const { return 2 * strides.size(); }
  /// Cells of all levels; throws Error where the inputs are not this head's maps.
  std::int64_t cells(std::span<const TensorInfo> maps) const;

  /// Centre x, y, width, height in input pixels of the cell at (x, y), whose first distance logit
  /// is `cell`, in single precision as the original.
  void decodeBox(std::int64_t stride, std::int64_t y, std::int64_t x, const float* cell,
                 std::int64_t channelStride, float box[4]) const;
};

}  // namespace layerwise
