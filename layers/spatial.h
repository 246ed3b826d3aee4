#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

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

  using Place = std::array<std::int64_t, 3>;
  /// What lies under `tap` of the window at `place`, as a row-major offset in a volume of `sizes`;
  /// -1 outside of it. A transposed convolution's window lies over the output.
  std::int64_t offsetUnder(const Place& tap, const Place& place,
                           const std::int64_t (&sizes)[3]) const {
    std::int64_t offset = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      const std::int64_t at = place[i] * stride[i] - pad[i] + tap[i] * dilation[i];
      if (at < 0 || at >= sizes[i]) return -1;
      offset = offset * sizes[i] + at;
    }
    return offset;
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
