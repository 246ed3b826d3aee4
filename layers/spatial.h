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

/// A window over three spatial axes, of which the leading ones that a tensor does not have are of
/// size 1.
struct Window3 {
  std::int64_t in[3], kernel[3], stride[3], pad[3], postPad[3], dilation[3], out[3];

  Window3(const SpatialWindow& w, const Dims& input) {
    for (int i = 0; i < 3; ++i) {
      int axis = i - (3 - w.axes);
      in[i] = axis < 0 ? 1 : input[axis + 2];
      kernel[i] = axis < 0 ? 1 : w.kernel[axis];
      stride[i] = axis < 0 ? 1 : w.stride[axis];
      pad[i] = axis < 0 ? 0 : w.prePadding[axis];
      postPad[i] = axis < 0 ? 0 : w.postPadding[axis];
      dilation[i] = axis < 0 ? 1 : w.dilation[axis];
      out[i] = axis < 0 ? 1 : w.output[axis];
    }
  }
};

/// The window of a convolution over `input` (N, C, spatial); postPadding covers all that the last
/// window reads. Throws Error naming the attribute.
SpatialWindow resolveWindow(const Convolution& attributes, const Dims& input);
/// The window of a transposed convolution: the padding is what is cut off the output's ends.
SpatialWindow resolveWindow(const Deconvolution& attributes, const Dims& input);
/// The window of a pooling; dilation is 1. `global` gives the whole input.
SpatialWindow resolveWindow(const Pooling& attributes, const Dims& input);

/// The output's shape of a Resize. Throws Error naming the attribute.
Dims resizedDims(const Resize& attributes, const Dims& input);
/// The position in the input, along `axis` of the tensor, that output position `x` comes from.
double resizeSource(const Resize& attributes, const Dims& input, const Dims& output, int axis,
                    std::int64_t x);
/// The input position that kNearest takes for a source position.
std::int64_t roundNearest(NearestRounding rounding, double source, std::int64_t size);

}  // namespace layerwise
