#include "layers/index_space.h"
#include "layers/layer_kind.h"

namespace layerwise {
namespace {

std::vector<TensorInfo> infer(const Select&, const ShapeContext& c) {
  if (c.type() != DataType::kBool)
    c.fail("the condition (input 0) is {}, bool is needed", toString(c.type()));
  c.expectSameType(1, 2);
  return {{c.type(1), broadcast(c, c.dims(0), broadcast(c, c.dims(1), c.dims(2)))}};
}

void reference(const Select&, const ReferenceContext& c) {
  const Dims& out = c.outputs[0].info.dims;
  Dims strides[3];
  for (std::size_t i = 0; i < 3; ++i) strides[i] = broadcastStrides(c.inputs[i].info.dims, out);
  auto value = [&](std::size_t input, const Dims& index) {
    return c.inputs[input].values[static_cast<std::size_t>(offsetOf(index, strides[input]))];
  };
  double* y = c.outputs[0].values.data();
  forEachIndex(out, [&](const Dims& index) {
    *y++ = value(0, index) != 0 ? value(1, index) : value(2, index);
  });
}

}  // namespace

void registerLayer_select(LayerRegistry& registry) {
  registry.add<Select>({.minInputs = 3,
                        .maxInputs = 3,
                        .infer = infer,
                        .reference = reference,
                        .imageByImage = imageByImageInOneRank<Select>});
}

}  // namespace layerwise
