#include "layers/quantization.h"

namespace layerwise {
namespace {

std::vector<TensorInfo> infer(const Dequantize& a, const ShapeContext& c) {
  expectEightBits(c, "input 0", c.type());
  expectQuantizationWeights(c, a.axis);
  return {{DataType::kFloat32, c.dims()}};
}

void reference(const Dequantize& a, const ReferenceContext& c) {
  QuantizationOf quantization(c.inputs[0].info.dims, a.axis, c);
  const std::vector<double>& q = c.inputs[0].values;
  for (std::size_t i = 0; i < q.size(); ++i)
    c.outputs[0].values[i] =
        static_cast<float>(q[i] - quantization.zeroPoint(i)) * quantization.scale(i);
}

bool imageByImage(const Dequantize& a, std::span<const TensorInfo> inputs) {
  return !isFirstAxis(a.axis, inputs[0]);
}

}  // namespace

void registerLayer_dequantize(LayerRegistry& registry) {
  registry.add<Dequantize>({.weightRoles = {"scales", "zero_points"},
                            .infer = infer,
                            .reference = reference,
                            .imageByImage = imageByImage});
}

}  // namespace layerwise
