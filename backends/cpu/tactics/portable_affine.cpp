#include <cmath>

#include "backends/cpu/loop_nest.h"
#include "backends/cpu/single_node.h"

namespace layerwise {
namespace cpu {
namespace {

struct Affine {
  std::vector<float> scale, shift, power;  ///< power may be empty
};

std::shared_ptr<const void> packScale(const Scale&, const Node& node) {
  auto packed = std::make_shared<Affine>();
  packed->shift = floatWeights(node.weights[0]);
  packed->scale = floatWeights(node.weights[1]);
  packed->power = floatWeights(node.weights[2]);
  std::size_t count =
      std::max({packed->shift.size(), packed->scale.size(), packed->power.size(), std::size_t{1}});
  if (packed->shift.empty()) packed->shift.assign(count, 0);
  if (packed->scale.empty()) packed->scale.assign(count, 1);
  return packed;
}

std::shared_ptr<const void> packBatchNorm(const BatchNorm& a, const Node& node) {
  auto packed = std::make_shared<Affine>();
  std::vector<float> gamma = floatWeights(node.weights[0]), beta = floatWeights(node.weights[1]);
  std::vector<float> mean = floatWeights(node.weights[2]), variance = floatWeights(node.weights[3]);
  for (std::size_t i = 0; i < mean.size(); ++i) {
    double scale = (gamma.empty() ? 1.0 : gamma[i]) / std::sqrt(variance[i] + a.epsilon);
    packed->scale.push_back(static_cast<float>(scale));
    packed->shift.push_back(static_cast<float>((beta.empty() ? 0.0 : beta[i]) - mean[i] * scale));
  }
  return packed;
}

/// `strides`: how an index of the tensor walks the packed values.
std::unique_ptr<Step> bindAffine(const BindContext& c, Dims strides) {
  BufferView in = c.inputs[0], out = c.outputs[0];
  auto packed = std::static_pointer_cast<const Affine>(c.packed);
  // One value stands for all, whatever the mode, where no weights are given.
  if (packed->scale.size() == 1) strides = Dims::filled(strides.rank(), 0);
  auto nest = LoopNest<3>::over(out.dims, {out.strides, in.strides, strides});
  return makeStep(nest.tiles(), [=](std::int64_t tile, const Worker& worker) {
    const float* x = worker.data<float>(in);
    float* y = worker.data<float>(out);
    auto [stepY, stepX, stepW] = nest.runStrides();
    nest.run(
        tile, [&, stepY = stepY, stepX = stepX, stepW = stepW](const auto& at, std::int64_t count) {
          const float* scale = packed->scale.data() + at[2];
          const float* shift = packed->shift.data() + at[2];
          float* to = y + at[0];
          const float* from = x + at[1];
          if (!packed->power.empty()) {
            const float* power = packed->power.data() + at[2];
            for (std::int64_t i = 0; i < count; ++i)
              to[i * stepY] =
                  std::pow(from[i * stepX] * scale[i * stepW] + shift[i * stepW], power[i * stepW]);
          } else if (stepW == 0 && stepX == 1 && stepY == 1) {
            float s = *scale, t = *shift;
            for (std::int64_t i = 0; i < count; ++i) to[i] = from[i] * s + t;
          } else if (stepW == 1 && stepX == 1 && stepY == 1) {
            for (std::int64_t i = 0; i < count; ++i) to[i] = from[i] * scale[i] + shift[i];
          } else {
            for (std::int64_t i = 0; i < count; ++i)
              to[i * stepY] = from[i * stepX] * scale[i * stepW] + shift[i * stepW];
          }
        });
  });
}

std::unique_ptr<Step> bindScale(const Scale& a, const BindContext& c) {
  const Dims& dims = c.outputs[0].dims;
  Dims strides = Dims::filled(dims.rank(), 0);
  if (a.mode == ScaleMode::kChannel)
    strides[static_cast<int>(a.channelAxis < 0 ? a.channelAxis + dims.rank() : a.channelAxis)] = 1;
  if (a.mode == ScaleMode::kElementwise) {
    std::int64_t stride = 1;
    for (int axis = dims.rank() - 1; axis > 0; stride *= dims[axis--]) strides[axis] = stride;
  }
  return bindAffine(c, strides);
}

std::unique_ptr<Step> bindBatchNorm(const BatchNorm&, const BindContext& c) {
  Dims strides = Dims::filled(c.outputs[0].dims.rank(), 0);
  strides[1] = 1;
  return bindAffine(c, strides);
}

}  // namespace
}  // namespace cpu

void registerTactic_portable_affine(cpu::TacticRegistry& registry) {
  cpu::addPortable<Scale>(
      registry,
      {.flopsPerOutput = 2, .channelsLast = true, .pack = cpu::packScale, .bind = cpu::bindScale});
  cpu::addPortable<BatchNorm>(registry, {.flopsPerOutput = 2,
                                         .channelsLast = true,
                                         .pack = cpu::packBatchNorm,
                                         .bind = cpu::bindBatchNorm});
}

}  // namespace layerwise
