#include "layers/layer_kind.h"

namespace layerwise {

void registerLayer_identity(LayerRegistry& registry) {
  registry.add<Identity>({
      .infer = [](const Identity&,
                  const ShapeContext& c) { return std::vector<TensorInfo>{c.inputs[0].info}; },
      .reference = [](const Identity&,
                      const ReferenceContext& c) { c.outputs[0].values = c.inputs[0].values; },
      .traits = [](const Identity&) { return Traits{.pointwise = true, .view = true}; },
      .boxes =
          [](const Identity&, std::span<const TensorInfo> inputs, std::span<const TensorInfo>) {
            return std::vector<BoxView>{
                {.outputInsideInput = true, .offset = Dims::filled(inputs[0].dims.rank(), 0)}};
          },
      .imageByImage = alwaysImageByImage<Identity>,
  });
}

}  // namespace layerwise
