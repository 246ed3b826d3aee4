#include <cmath>

#include "backends/cpu/loop_nest.h"
#include "backends/cpu/single_node.h"
#include "backends/shared/affine_weights.h"

namespace layerwise {
namespace cpu {
namespace {

std::shared_ptr<const void> packScale(const Scale&, const Node& node) {
  return std::make_shared<AffineWeights>(scaleWeights(node));
}

std::shared_ptr<const void> packBatchNorm(const BatchNorm& a, const Node& node) {
  return std::make_shared<AffineWeights>(batchNormWeights(a, node));
}

/// `strides`: how an index of the tensor walks the packed values.
std::unique_ptr<Step> bindAffine(const BindContext& c, Dims strides) {
  BufferView in = c.inputs[0], out = c.outputs[0];
  auto packed = std::static_pointer_cast<const AffineWeights>(c.packed);
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
  return bindAffine(c, scaleStrides(a, c.outputs[0].dims));
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
