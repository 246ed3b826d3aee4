#include "layers/layer_kind.h"

namespace layerwise {
namespace {

std::vector<TensorInfo> infer(const Constant& a, const ShapeContext& c) {
  for (std::int64_t size : a.dims)
    if (size < 0 || size > kMaxSize) c.fail("dims {} is no shape", toString(a.dims));
  c.expectWeights(0, "values", a.dims);
  return {{c.weights[0].type, a.dims}};
}

}  // namespace

void registerLayer_constant(LayerRegistry& registry) {
  registry.add<Constant>({.weightRoles = {"values"},
                          .minInputs = 0,
                          .maxInputs = 0,
                          .infer = infer,
                          .reference = [](const Constant&, const ReferenceContext& c) {
                            c.outputs[0].values = c.weights[0].values;
                          }});
}

}  // namespace layerwise
