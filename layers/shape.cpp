#include "layers/layer_kind.h"

namespace layerwise {

void registerLayer_shape(LayerRegistry& registry) {
  registry.add<Shape>({
      .infer =
          [](const Shape&, const ShapeContext& c) {
            return std::vector<TensorInfo>{{DataType::kInt64, {c.dims().rank()}}};
          },
      .reference =
          [](const Shape&, const ReferenceContext& c) {
            const Dims& dims = c.inputs[0].info.dims;
            c.outputs[0].values.assign(dims.begin(), dims.end());
          },
      .traits = [](const Shape&) { return Traits{.shapeOnly = true}; },
  });
}

}  // namespace layerwise
