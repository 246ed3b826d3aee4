#pragma once

#include "layerwise/dims.h"
#include "layerwise/layers.h"

namespace layerwise {

/// A window's attributes with the defaults filled in and the padding mode resolved for one input.
struct SpatialWindow {
  int axes = 0;  ///< spatial axes: rank - 2
  Dims kernel, stride, prePadding, postPadding, dilation;
  Dims output;  ///< sizes of the output's spatial axes
};

/// The window of a convolution over `input` (N, C, spatial). Throws Error naming the attribute.
SpatialWindow resolveWindow(const Convolution& attributes, const Dims& input);
/// The window of a pooling; dilation is 1. `global` gives the whole input.
SpatialWindow resolveWindow(const Pooling& attributes, const Dims& input);

}  // namespace layerwise
