#include <cmath>

#include "layers/index_space.h"
#include "layers/layer_kind.h"

namespace layerwise {
namespace {

std::vector<TensorInfo> infer(const BatchNorm&, const ShapeContext& c) {
  c.expectFloat();
  c.expectRank(0, 2, Dims::kMaxRank);
  Dims channels{c.dims()[1]};
  c.expectWeights(0, "gamma", channels, true);
  c.expectWeights(1, "beta", channels, true);
  c.expectWeights(2, "mean", channels);
  c.expectWeights(3, "variance", channels);
  return {c.inputs[0].info};
}

void reference(const BatchNorm& a, const ReferenceContext& c) {
  AxisSplit split(c.inputs[0].info.dims, 1);
  auto weight = [&](std::size_t slot, std::size_t channel, double missing) {
    const std::vector<double>& values = c.weights[slot].values;
    return values.empty() ? missing : values[channel];
  };
  for (std::size_t i = 0; i < c.inputs[0].values.size(); ++i) {
    std::size_t channel =
        i / static_cast<std::size_t>(split.inner) % static_cast<std::size_t>(split.size);
    double normal = (c.inputs[0].values[i] - weight(2, channel, 0)) /
                    std::sqrt(weight(3, channel, 1) + a.epsilon);
    c.outputs[0].values[i] = normal * weight(0, channel, 1) + weight(1, channel, 0);
  }
}

}  // namespace

void registerLayer_batch_norm(LayerRegistry& registry) {
  registry.add<BatchNorm>(
      {.weightRoles = {"gamma", "beta", "mean", "variance"},
       .infer = infer,
       .reference = reference,
       .traits = [](const BatchNorm&) { return Traits{.pointwise = true, .channelAffine = true}; },
       .imageByImage = alwaysImageByImage<BatchNorm>});
}

}  // namespace layerwise
