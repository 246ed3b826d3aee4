#include "layers/index_space.h"
#include "layers/layer_kind.h"

namespace layerwise {
namespace {

std::vector<TensorInfo> infer(const ParametricRelu&, const ShapeContext& c) {
  c.expectFloat();
  c.expectSameType(0, 1);
  expectBroadcastsTo(c, 1, c.dims());
  return {c.inputs[0].info};
}

void reference(const ParametricRelu&, const ReferenceContext& c) {
  Dims strides = broadcastStrides(c.inputs[1].info.dims, c.inputs[0].info.dims);
  const double* x = c.inputs[0].values.data();
  double* y = c.outputs[0].values.data();
  forEachIndex(c.inputs[0].info.dims, [&](const Dims& index) {
    double slope = c.inputs[1].values[static_cast<std::size_t>(offsetOf(index, strides))];
    *y++ = *x >= 0 ? *x : slope * *x;
    ++x;
  });
}

}  // namespace

void registerLayer_parametric_relu(LayerRegistry& registry) {
  registry.add<ParametricRelu>({.minInputs = 2,
                                .maxInputs = 2,
                                .infer = infer,
                                .reference = reference,
                                .imageByImage = imageByImageInOneRank<ParametricRelu>});
}

}  // namespace layerwise
