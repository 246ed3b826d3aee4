#pragma once

#include <span>
#include <vector>

#include "layerwise/fields.h"
#include "layerwise/plugin.h"

namespace layerwise {

/// YOLOv5's anchor head (models/yolo.py, Detect and Segment, v6 and v7): a map a level, N x
/// anchors (5 + classes + masks) x H x W, each cell of which holds for each anchor the logits of
/// centre x, y, width, height, objectness, the classes, and then mask coefficients as they are.
struct AnchorHead {
  struct Level {
    std::int64_t stride;
    std::vector<float> anchors;  ///< width, height of each in input pixels
    std::int64_t anchorCount() const { return static_cast<std::int64_t>(anchors.size()) / 2; }
  };

  std::int64_t classes = 0;
  std::int64_t masks = 0;
  std::vector<Level> levels;

  /// Reads "classes", "masks", "strides" [levels] and "anchors" [levels x count x 2, pixels].
  /// Throws Error kBadFile for what cannot be meant.
  static AnchorHead from(const Fields& fields);
  void writeTo(Fields& fields) const;

  /// Values of a decoded row: x, y, width, height, objectness, classes, masks.
  std::int64_t rowSize() const { return 5 + classes + masks; }
  std::int64_t rows(const Level& level, const Dims& map) const {
    return level.anchorCount() * map[2] * map[3];
  }
  /// Rows of all levels; throws Error where the inputs are not this head's maps.
  std::int64_t rows(std::span<const TensorInfo> maps) const;

  /// Decodes `count` cells from column x of row y on, in single precision, as the original does:
  /// box in input pixels, sigmoid of objectness and classes. `cell` is the first one's first
  /// channel of the anchor; channels and cells lie the strides apart. Writes `count` rows.
  void decode(const Level& level, std::int64_t anchor, std::int64_t y, std::int64_t x,
              std::int64_t count, const float* cell, std::int64_t channelStride,
              std::int64_t cellStride, float* rows) const;
};

}  // namespace layerwise
