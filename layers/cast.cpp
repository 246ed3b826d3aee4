#include "layers/layer_kind.h"

namespace layerwise {

void registerLayer_cast(LayerRegistry& registry) {
  registry.add<Cast>({
      .infer =
          [](const Cast& a, const ShapeContext& c) {
            return std::vector<TensorInfo>{{a.to, c.dims()}};
          },
      .reference =
          [](const Cast&, const ReferenceContext& c) {
            c.outputs[0].values = c.inputs[0].values;
            c.outputs[0].round();
          },
      .imageByImage = alwaysImageByImage<Cast>,
  });
}

}  // namespace layerwise
