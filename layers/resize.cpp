#include <algorithm>
#include <cmath>

#include "layers/index_space.h"
#include "layers/layer_kind.h"
#include "layers/spatial.h"

namespace layerwise {
namespace {

/// What one output position takes from the input along one axis.
struct Tap {
  std::int64_t index;
  double weight;
};

/// Keys' cubic convolution (IEEE Trans. ASSP 29, 1981) with the coefficient a at distance t.
double cubic(double a, double t) {
  t = std::abs(t);
  if (t <= 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  if (t < 2) return ((a * t - 5 * a) * t + 8 * a) * t - 4 * a;
  return 0;
}

std::vector<Tap> tapsOf(const Resize& a, const Dims& in, const Dims& out, int axis,
                        std::int64_t x) {
  double source = resizeSource(a, in, out, axis, x);
  std::int64_t last = in[axis] - 1;
  if (a.mode == InterpolationMode::kNearest)
    return {{roundNearest(a.rounding, source, in[axis]), 1}};
  auto first = static_cast<std::int64_t>(std::floor(source));
  double t = source - static_cast<double>(first);
  auto at = [&](std::int64_t i) { return std::clamp<std::int64_t>(first + i, 0, last); };
  if (a.mode == InterpolationMode::kLinear) return {{at(0), 1 - t}, {at(1), t}};
  std::vector<Tap> taps;
  for (int i = -1; i <= 2; ++i) taps.push_back({at(i), cubic(a.cubicCoefficient, t - i)});
  return taps;
}

/// Interpolation is separable: one axis after the other.
void reference(const Resize& a, const ReferenceContext& c) {
  const Dims& in = c.inputs[0].info.dims;
  const Dims& out = c.outputs[0].info.dims;
  std::vector<double> values = c.inputs[0].values;
  Dims dims = in;
  for (int axis = 2; axis < in.rank(); ++axis) {
    AxisSplit split(dims, axis);
    std::vector<double> resized(static_cast<std::size_t>(split.outer * out[axis] * split.inner));
    for (std::int64_t x = 0; x < out[axis]; ++x)
      for (const Tap& tap : tapsOf(a, in, out, axis, x))
        for (std::int64_t i = 0; i < split.outer; ++i)
          for (std::int64_t j = 0; j < split.inner; ++j)
            resized[static_cast<std::size_t>((i * out[axis] + x) * split.inner + j)] +=
                tap.weight *
                values[static_cast<std::size_t>((i * split.size + tap.index) * split.inner + j)];
    values = std::move(resized);
    dims[axis] = out[axis];
  }
  c.outputs[0].values = std::move(values);
}

std::vector<TensorInfo> infer(const Resize& a, const ShapeContext& c) {
  bool eightBits = c.type() == DataType::kInt8 || c.type() == DataType::kUInt8;
  if (!eightBits || a.mode != InterpolationMode::kNearest) c.expectFloat();
  if (!(std::abs(a.cubicCoefficient) <= 1e6))
    c.fail("cubic_coefficient {} is no use", a.cubicCoefficient);
  return {{c.type(), resizedDims(a, c.dims())}};
}

}  // namespace

void registerLayer_resize(LayerRegistry& registry) {
  registry.add<Resize>(
      {.infer = infer, .reference = reference, .imageByImage = alwaysImageByImage<Resize>});
}

}  // namespace layerwise
