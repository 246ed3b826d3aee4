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

  /// The most cells that decodeBoxes takes at once.
  static constexpr std::int64_t kCells = 16;

  /// Decodes `count` cells from column x of row y on, in single precision, as the original does.
  /// `cell` is the first one's first distance logit; channels and cells lie the strides apart.
  /// boxes[i][k] is cell k's: centre x, y, width, height in input pixels.
  void decodeBoxes(std::int64_t stride, std::int64_t y, std::int64_t x, std::int64_t count,
                   const float* cell, std::int64_t channelStride, std::int64_t cellStride,
                   float boxes[4][kCells]) const;
};

}  // namespace layerwise
