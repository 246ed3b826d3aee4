#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "backends/cpu/loop_nest.h"
#include "backends/cpu/single_node.h"
#include "layers/round_to_even.h"

namespace layerwise {
namespace cpu {
namespace {

/// A scale and a zero point an entry of the axis, or one for all.
struct Quantization {
  std::vector<float> scales, zeroPoints;
  bool perChannel() const { return scales.size() != 1; }
};

template <class A>
std::shared_ptr<const void> pack(const A&, const Node& node) {
  auto packed = std::make_shared<Quantization>();
  packed->scales = floatWeights(node.weights[0]);
  packed->zeroPoints = floatWeights(node.weights[1]);
  for (float zero : packed->zeroPoints)
    if (!(zero >= -128 && zero <= 255) || zero != std::trunc(zero))
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("[{} {}] zero point {} is not a whole number in -128...255",
                              node.kind->name, node.name, zero));
  if (packed->zeroPoints.empty()) packed->zeroPoints = {0};
  if (packed->scales.empty()) packed->scales = {1};  // an axis without entries
  std::size_t count = std::max(packed->scales.size(), packed->zeroPoints.size());
  packed->scales.resize(count, packed->scales[0]);
  packed->zeroPoints.resize(count, packed->zeroPoints[0]);
  return packed;
}

/// to = convert(from, scale, zero point) for every element. `convert` takes one element.
template <class To, class From, class Convert>
std::unique_ptr<Step> map(const BindContext& c, std::int64_t axis, Convert convert) {
  BufferView in = c.inputs[0], out = c.outputs[0];
  auto packed = std::static_pointer_cast<const Quantization>(c.packed);
  int rank = out.dims.rank();
  Dims channel = Dims::filled(rank, 0);
  if (packed->perChannel()) channel[static_cast<int>(axis < 0 ? axis + rank : axis)] = 1;
  auto nest = LoopNest<3>::over(out.dims, {out.strides, in.strides, channel});
  return makeStep(nest.tiles(), [=](std::int64_t tile, const Worker& worker) {
    const float *scales = packed->scales.data(), *zeros = packed->zeroPoints.data();
    auto [strideY, strideX, strideC] = nest.runStrides();
    nest.run(tile, [&, strideY = strideY, strideX = strideX, strideC = strideC](
                       const auto& at, std::int64_t count) {
      To* to = worker.data<To>(out) + at[0];
      const From* from = worker.data<From>(in) + at[1];
      const float *scale = scales + at[2], *zero = zeros + at[2];
      if (strideC == 0 && strideX == 1 && strideY == 1) {
        float oneScale = *scale, oneZero = *zero;
        for (std::int64_t i = 0; i < count; ++i) to[i] = convert(from[i], oneScale, oneZero);
      } else {
        for (std::int64_t i = 0; i < count; ++i)
          to[i * strideY] = convert(from[i * strideX], scale[i * strideC], zero[i * strideC]);
      }
    });
  });
}

/// Clamped before the rounding, which is the same and keeps the number small.
template <class T>
T quantize(float x, float scale, float zero) {
  constexpr auto kLow = static_cast<float>(std::numeric_limits<T>::min());
  constexpr auto kHigh = static_cast<float>(std::numeric_limits<T>::max());
  float quanta = std::max(kLow - zero, std::min(kHigh - zero, x * (1 / scale)));
  return static_cast<T>(static_cast<std::int32_t>(roundToEven(quanta) + zero));
}

std::unique_ptr<Step> bindQuantize(const Quantize& a, const BindContext& c) {
  auto go = [&](auto zero) {
    using T = decltype(zero);
    return map<T, float>(c, a.axis, [](float x, float scale, float zeroPoint) {
      return quantize<T>(x, scale, zeroPoint);
    });
  };
  return a.to == DataType::kInt8 ? go(std::int8_t{}) : go(std::uint8_t{});
}

std::unique_ptr<Step> bindDequantize(const Dequantize& a, const BindContext& c) {
  auto dequantize = [](auto q, float scale, float zero) {
    return (static_cast<float>(q) - zero) * scale;
  };
  return c.inputs[0].type == DataType::kInt8 ? map<float, std::int8_t>(c, a.axis, dequantize)
                                             : map<float, std::uint8_t>(c, a.axis, dequantize);
}

template <class A>
void add(TacticRegistry& registry, std::unique_ptr<Step> (*bind)(const A&, const BindContext&)) {
  addPortable<A>(registry, {.takes = [](const A&, const NodeInfo&) { return true; },
                            .flopsPerOutput = 3,
                            .channelsLast = true,
                            .pack = pack<A>,
                            .bind = bind});
}

}  // namespace
}  // namespace cpu

void registerTactic_portable_quantization(cpu::TacticRegistry& registry) {
  cpu::add<Quantize>(registry, cpu::bindQuantize);
  cpu::add<Dequantize>(registry, cpu::bindDequantize);
}

}  // namespace layerwise
