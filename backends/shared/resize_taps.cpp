#include "backends/shared/resize_taps.h"

#include <algorithm>
#include <cmath>

#include "layers/spatial.h"

namespace layerwise {
namespace {

/// The cubic convolution kernel at the four taps around a position `t` behind the second.
void cubicWeights(double a, double t, float* weights) {
  auto near = [&](double d) { return ((a + 2) * d - (a + 3)) * d * d + 1; };
  auto far = [&](double d) { return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a; };
  weights[0] = static_cast<float>(far(1 + t));
  weights[1] = static_cast<float>(near(t));
  weights[2] = static_cast<float>(near(1 - t));
  weights[3] = static_cast<float>(far(2 - t));
}

}  // namespace

int tapCount(InterpolationMode mode) {
  return mode == InterpolationMode::kCubic ? 4 : mode == InterpolationMode::kLinear ? 2 : 1;
}

double resizeFlops(const Resize& a, const Dims& out) {
  return 2 * static_cast<double>(out.volume()) * std::pow(tapCount(a.mode), out.rank() - 2);
}

AxisTaps resizeTaps(const Resize& a, const Dims& in, const Dims& out, int axis) {
  AxisTaps taps;
  taps.at.clear();
  taps.count = tapCount(a.mode);
  std::int64_t last = in[axis] - 1;
  for (std::int64_t x = 0; x < out[axis]; ++x) {
    double source = resizeSource(a, in, out, axis, x);
    ResizeTaps t;
    if (a.mode == InterpolationMode::kNearest) {
      t.index[0] = roundNearest(a.rounding, source, in[axis]);
    } else {
      double base = std::floor(source), rest = source - base;
      bool cubic = a.mode == InterpolationMode::kCubic;
      for (int i = 0; i < taps.count; ++i)
        t.index[i] = std::clamp<std::int64_t>(static_cast<std::int64_t>(base) + i - (cubic ? 1 : 0),
                                              0, last);
      if (cubic) {
        cubicWeights(a.cubicCoefficient, rest, t.weight);
      } else {
        t.weight[0] = static_cast<float>(1 - rest);
        t.weight[1] = static_cast<float>(rest);
      }
    }
    taps.at.push_back(t);
  }
  return taps;
}

}  // namespace layerwise
