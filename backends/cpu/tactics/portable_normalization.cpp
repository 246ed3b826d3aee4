#include <cmath>

#include "backends/cpu/loop_nest.h"
#include "backends/cpu/single_node.h"
#include "backends/shared/reduction_loops.h"

namespace layerwise {
namespace cpu {
namespace {

constexpr std::int64_t kLanes = 64;

std::unique_ptr<Step> bindNormalization(const Normalization& a, const BindContext& c) {
  BufferView in = c.inputs[0], out = c.outputs[0];
  bool hasScale = c.inputs.size() > 1, hasBias = c.inputs.size() > 2;
  BufferView scale = hasScale ? c.inputs[1] : in, bias = hasBias ? c.inputs[2] : in;
  NormalizationLoops loops = normalizationLoops(a, c);
  double count = 1;
  for (const auto& loop : loops.elements) count *= static_cast<double>(loop.count);
  LoopNest<4> sets(std::move(loops.sets), kLanes,
                   std::max<std::int64_t>(1, 16384 / (static_cast<std::int64_t>(count) + 1)));
  LoopNest<4> elements(std::move(loops.elements));
  double epsilon = a.epsilon;
  return makeStep(count == 0 ? 0 : sets.tiles(), [=](std::int64_t tile, const Worker& worker) {
    const float *x = worker.data<float>(in), *s = worker.data<float>(scale);
    const float* b = worker.data<float>(bias);
    float* y = worker.data<float>(out);
    auto lane = sets.runStrides(), step = elements.runStrides();
    sets.run(tile, [&](const auto& at, std::int64_t width) {
      double mean[kLanes] = {}, variance[kLanes] = {};
      // Calls f(lane, offsets of the element) for every element of the sets side by side.
      auto forAll = [&](auto f) {
        elements.runAll([&](const auto& place, std::int64_t run) {
          for (std::int64_t i = 0; i < run; ++i)
            for (std::int64_t l = 0; l < width; ++l)
              f(l, [&](std::size_t k) { return at[k] + place[k] + i * step[k] + l * lane[k]; });
        });
      };
      forAll([&](std::int64_t l, auto offset) { mean[l] += x[offset(1)]; });
      for (std::int64_t l = 0; l < width; ++l) mean[l] /= count;
      forAll([&](std::int64_t l, auto offset) {
        double distance = x[offset(1)] - mean[l];
        variance[l] += distance * distance;
      });
      for (std::int64_t l = 0; l < width; ++l)
        variance[l] = 1 / std::sqrt(variance[l] / count + epsilon);
      forAll([&](std::int64_t l, auto offset) {
        auto normal = static_cast<float>((x[offset(1)] - mean[l]) * variance[l]);
        if (hasScale) normal *= s[offset(2)];
        if (hasBias) normal += b[offset(3)];
        y[offset(0)] = normal;
      });
    });
  });
}

std::unique_ptr<Step> bindLrn(const Lrn& a, const BindContext& c) {
  BufferView in = c.inputs[0], out = c.outputs[0];
  std::vector<LoopNest<2>::Loop> kept;
  for (int i = 0; i < in.dims.rank(); ++i)
    if (i != 1) kept.push_back({in.dims[i], {out.strides[i], in.strides[i]}});
  std::int64_t channels = in.dims[1];
  LoopNest<2> lanes(std::move(kept), kLanes, std::max<std::int64_t>(1, 4096 / (channels + 1)));
  auto factor = static_cast<float>(a.alpha / static_cast<double>(a.window));
  auto k = static_cast<float>(a.k), beta = static_cast<float>(a.beta);
  std::int64_t before = a.window / 2, after = (a.window - 1) / 2;
  return makeStep(lanes.tiles(), [=](std::int64_t tile, const Worker& worker) {
    const float* x = worker.data<float>(in);
    float* y = worker.data<float>(out);
    auto step = lanes.runStrides();
    lanes.run(tile, [&](const auto& at, std::int64_t width) {
      for (std::int64_t channel = 0; channel < channels; ++channel) {
        float sum[kLanes] = {};
        std::int64_t last = std::min(channels - 1, channel + after);
        for (std::int64_t j = std::max<std::int64_t>(0, channel - before); j <= last; ++j)
          for (std::int64_t i = 0; i < width; ++i) {
            float value = x[at[1] + i * step[1] + j * in.strides[1]];
            sum[i] += value * value;
          }
        for (std::int64_t i = 0; i < width; ++i)
          y[at[0] + i * step[0] + channel * out.strides[1]] =
              x[at[1] + i * step[1] + channel * in.strides[1]] /
              std::pow(k + factor * sum[i], beta);
      }
    });
  });
}

}  // namespace
}  // namespace cpu

void registerTactic_portable_normalization(cpu::TacticRegistry& registry) {
  cpu::addPortable<Normalization>(
      registry, {.flopsPerOutput = 8, .channelsLast = true, .bind = cpu::bindNormalization});
  cpu::addPortable<Lrn>(registry, {.flops =
                                       [](const Lrn& a, const NodeInfo& info) {
                                         return static_cast<double>(2 * a.window + 20) *
                                                static_cast<double>(info.outputs[0].dims.volume());
                                       },
                                   .channelsLast = true,
                                   .bind = cpu::bindLrn});
}

}  // namespace layerwise
