#pragma once

#include <cstdint>
#include <vector>

#include "layerwise/dims.h"
#include "layerwise/layers.h"

namespace layerwise {

inline constexpr int kMaxTaps = 4;

/// Which input positions an output position of one axis is made of, and how much of each.
struct ResizeTaps {
  std::int64_t index[kMaxTaps] = {};
  float weight[kMaxTaps] = {1};
};

struct AxisTaps {
  int count = 1;
  std::vector<ResizeTaps> at{ResizeTaps{}};
};

/// How many input positions an output position is made of along each axis.
int tapCount(InterpolationMode mode);
/// The floating-point operations of a resize to `out`.
double resizeFlops(const Resize& a, const Dims& out);

/// The taps of all output positions along `axis`.
AxisTaps resizeTaps(const Resize& a, const Dims& in, const Dims& out, int axis);

}  // namespace layerwise
