#include "backends/opencl/map_step.h"
#include "backends/opencl/single_node.h"
#include "backends/shared/affine_weights.h"

namespace layerwise {
namespace opencl {
namespace {

struct PackedAffine {
  cl::Buffer scale, shift, power;
  bool single = false;
  bool hasPower = false;
};

std::shared_ptr<const void> pack(const AffineWeights& weights, const Node& node,
                                 const Device& device) {
  auto packed = std::make_shared<PackedAffine>();
  packed->scale = device.upload(weights.scale, node.name);
  packed->shift = device.upload(weights.shift, node.name);
  packed->power = device.upload(weights.power, node.name);
  packed->single = weights.scale.size() == 1;
  packed->hasPower = !weights.power.empty();
  return packed;
}

std::shared_ptr<const void> packScale(const Scale&, const Node& node, const Device& device) {
  return pack(scaleWeights(node), node, device);
}

std::shared_ptr<const void> packBatchNorm(const BatchNorm& a, const Node& node,
                                          const Device& device) {
  return pack(batchNormWeights(a, node), node, device);
}

/// `strides`: how an index of the tensor walks the packed values.
std::unique_ptr<Step> bindAffine(const BindContext& c, Dims strides, const Device& device) {
  const auto& packed = *static_cast<const PackedAffine*>(c.packed.get());
  // One value stands for all, whatever the mode, where no weights are given.
  if (packed.single) strides = Dims::filled(strides.rank(), 0);
  std::vector<MapOperand> operands{MapOperand::view(c.inputs[0], c.outputs[0].dims),
                                   MapOperand::memory(packed.scale, strides),
                                   MapOperand::memory(packed.shift, strides)};
  MapFunction function{"USE_ELEMENTWISE", {{"REAL", "1"}}};
  if (packed.hasPower) {
    operands.push_back(MapOperand::memory(packed.power, strides));
    function.defines.emplace_back("FUNCTION(x, s, t, p)", "ew_affine_power(x, s, t, p)");
  } else {
    function.defines.emplace_back("FUNCTION(x, s, t)", "ew_affine(x, s, t)");
  }
  return bindMap(device, function, c.outputs[0], operands);
}

std::unique_ptr<Step> bindScale(const Scale& a, const BindContext& c, const Device& device) {
  return bindAffine(c, scaleStrides(a, c.outputs[0].dims), device);
}

std::unique_ptr<Step> bindBatchNorm(const BatchNorm&, const BindContext& c, const Device& device) {
  Dims strides = Dims::filled(c.outputs[0].dims.rank(), 0);
  strides[1] = 1;
  return bindAffine(c, strides, device);
}

}  // namespace
}  // namespace opencl

void registerTactic_affine(opencl::TacticRegistry& registry) {
  using namespace opencl;
  addPortable<Scale>(
      registry, {.flopsPerOutput = 2, .channelsLast = true, .pack = packScale, .bind = bindScale});
  addPortable<BatchNorm>(
      registry,
      {.flopsPerOutput = 2, .channelsLast = true, .pack = packBatchNorm, .bind = bindBatchNorm});
}

}  // namespace layerwise
