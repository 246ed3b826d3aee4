#include <algorithm>
#include <cmath>

#include "layers/quantization.h"

namespace layerwise {
namespace {

std::vector<TensorInfo> infer(const Quantize& a, const ShapeContext& c) {
  c.expectFloat();
  expectEightBits(c, "to", a.to);
  expectQuantizationWeights(c, a.axis);
  return {{a.to, c.dims()}};
}

void reference(const Quantize& a, const ReferenceContext& c) {
  QuantizationOf quantization(c.inputs[0].info.dims, a.axis, c);
  EightBitRange range(a.to);
  const std::vector<double>& x = c.inputs[0].values;
  for (std::size_t i = 0; i < x.size(); ++i) {
    float quanta = static_cast<float>(x[i]) * (1 / quantization.scale(i));
    c.outputs[0].values[i] = std::clamp<double>(
        std::nearbyint(double{quanta}) + quantization.zeroPoint(i), range.low, range.high);
  }
}

bool imageByImage(const Quantize& a, std::span<const TensorInfo> inputs) {
  return !isFirstAxis(a.axis, inputs[0]);
}

}  // namespace

void registerLayer_quantize(LayerRegistry& registry) {
  registry.add<Quantize>({.weightRoles = {"scales", "zero_points"},
                          .infer = infer,
                          .reference = reference,
                          .imageByImage = imageByImage});
}

}  // namespace layerwise
