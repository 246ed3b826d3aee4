#include <cmath>

#include "layers/index_space.h"
#include "layers/layer_kind.h"

namespace layerwise {
namespace {

/// The shape of each of the weights, and how often the input repeats it.
Dims weightDims(const Scale& a, const Dims& in, int channelAxis) {
  if (a.mode == ScaleMode::kUniform) return {1};
  if (a.mode == ScaleMode::kChannel) return {in[channelAxis]};
  Dims dims;
  for (int axis = 1; axis < in.rank(); ++axis) dims.append(in[axis]);
  return dims;
}

std::vector<TensorInfo> infer(const Scale& a, const ShapeContext& c) {
  c.expectFloat();
  c.expectRank(0, 1, Dims::kMaxRank);
  int axis =
      a.mode == ScaleMode::kChannel ? c.axis(a.channelAxis, c.dims().rank(), "channel_axis") : 0;
  Dims dims = weightDims(a, c.dims(), axis);
  c.expectWeights(0, "shift", dims, true);
  c.expectWeights(1, "scale", dims, true);
  c.expectWeights(2, "power", dims, true);
  return {c.inputs[0].info};
}

void reference(const Scale& a, const ReferenceContext& c) {
  const Dims& in = c.inputs[0].info.dims;
  std::int64_t axis = a.channelAxis < 0 ? a.channelAxis + in.rank() : a.channelAxis;
  AxisSplit split(in, a.mode == ScaleMode::kChannel ? static_cast<int>(axis) : 0);
  auto weight = [&](int slot, std::size_t element, double missing) {
    const std::vector<double>& values = c.weights[static_cast<std::size_t>(slot)].values;
    if (values.empty()) return missing;
    auto inner = static_cast<std::size_t>(split.inner);
    switch (a.mode) {
      case ScaleMode::kUniform:
        return values[0];
      case ScaleMode::kChannel:
        return values[element / inner % static_cast<std::size_t>(split.size)];
      case ScaleMode::kElementwise:
        return values[element % inner];
    }
    return missing;
  };
  for (std::size_t i = 0; i < c.inputs[0].values.size(); ++i) {
    double affine = c.inputs[0].values[i] * weight(1, i, 1) + weight(0, i, 0);
    bool powered = !c.weights[2].values.empty();
    c.outputs[0].values[i] = powered ? std::pow(affine, weight(2, i, 1)) : affine;
  }
}

Traits traits(const Scale& a) {
  return {.pointwise = true,
          .channelAffine = a.mode == ScaleMode::kUniform ||
                           (a.mode == ScaleMode::kChannel && a.channelAxis == 1)};
}

bool imageByImage(const Scale& a, std::span<const TensorInfo> inputs) {
  return a.mode != ScaleMode::kChannel || !isFirstAxis(a.channelAxis, inputs[0]);
}

}  // namespace

void registerLayer_scale(LayerRegistry& registry) {
  registry.add<Scale>({.weightRoles = {"shift", "scale", "power"},
                       .infer = infer,
                       .reference = reference,
                       .traits = traits,
                       .imageByImage = imageByImage});
}

}  // namespace layerwise
