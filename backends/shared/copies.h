#pragma once

#include <optional>
#include <vector>

#include "backends/shared/loops.h"
#include "engine/tactic.h"

namespace layerwise {

/// The view of a part of `view` that begins at `start` and goes on with `step`.
BufferView box(const BufferView& view, const Dims& start, const Dims& step, const Dims& dims);

/// The part of input 0 that a slice takes.
BufferView slicedView(const Slice& slice, const BindContext& context);

/// The copy that a pixel shuffle is: operand 0 is written, operand 1 read.
std::vector<Loop<2>> pixelShuffleLoops(const PixelShuffle& a, const BufferView& in,
                                       const BufferView& out);

/// One axis of a shape with the stride it walks memory by.
struct StridedAxis {
  std::int64_t size, stride;
};

/// A shuffle: both sides number the same elements in row-major order, each along axes of its own.
struct ShufflePlan {
  bool inPlace = false;  ///< nothing to do
  std::vector<StridedAxis> to, from;
  std::optional<std::vector<Loop<2>>> loops;  ///< where the axes have a common refinement
};

ShufflePlan planShuffle(const Shuffle& shuffle, const BufferView& in, const BufferView& out);

}  // namespace layerwise
