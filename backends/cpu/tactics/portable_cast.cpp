#include <array>
#include <cmath>
#include <limits>
#include <type_traits>

#include "backends/cpu/loop_nest.h"
#include "backends/cpu/single_node.h"
#include "layers/float16.h"

namespace layerwise {
namespace cpu {
namespace {

/// Values on their way from one type to another: doubles hold every floating-point type, int64
/// every integer.
constexpr std::int64_t kRun = 256;

template <class T, class Wide>
void load(const T* from, std::int64_t stride, std::int64_t count, Wide* wide) {
  for (std::int64_t i = 0; i < count; ++i) wide[i] = static_cast<Wide>(from[i * stride]);
}

template <class T, class Wide>
T convert(Wide value) {
  if constexpr (std::is_same_v<T, float>) {
    return static_cast<T>(value);
  } else {
    using Limits = std::numeric_limits<T>;
    if constexpr (std::is_same_v<Wide, double>) {
      // 2^63 and the like are doubles; the largest int64 is none.
      double bound = std::ldexp(1.0, Limits::digits);
      if (std::isnan(value)) return 0;
      if (value >= bound) return Limits::max();
      if (value <= static_cast<double>(Limits::min())) return Limits::min();
      return static_cast<T>(value);
    } else {
      if (value > static_cast<std::int64_t>(Limits::max())) return Limits::max();
      if (value < static_cast<std::int64_t>(Limits::min())) return Limits::min();
      return static_cast<T>(value);
    }
  }
}

template <class Wide>
void store(DataType type, const Wide* wide, std::int64_t count, std::byte* to,
           std::int64_t stride) {
  auto write = [&](auto zero) {
    using T = decltype(zero);
    for (std::int64_t i = 0; i < count; ++i)
      reinterpret_cast<T*>(to)[i * stride] = convert<T>(wide[i]);
  };
  // float16 and bfloat16 live in memory as the floats that they hold.
  auto writeRounded = [&](auto round) {
    for (std::int64_t i = 0; i < count; ++i)
      reinterpret_cast<float*>(to)[i * stride] = round(static_cast<float>(wide[i]));
  };
  switch (type) {
    case DataType::kInt8:
      return write(std::int8_t{});
    case DataType::kUInt8:
      return write(std::uint8_t{});
    case DataType::kInt32:
      return write(std::int32_t{});
    case DataType::kInt64:
      return write(std::int64_t{});
    case DataType::kBool:
      for (std::int64_t i = 0; i < count; ++i)
        reinterpret_cast<std::uint8_t*>(to)[i * stride] = wide[i] != 0;
      return;
    case DataType::kFloat16:
      return writeRounded([](float x) { return halfToFloat(halfFromFloat(x)); });
    case DataType::kBFloat16:
      return writeRounded([](float x) { return bfloat16ToFloat(bfloat16FromFloat(x)); });
    case DataType::kFloat32:
      return write(float{});
  }
}

std::unique_ptr<Step> bindCast(const Cast& cast, const BindContext& c) {
  BufferView in = c.inputs[0], out = c.outputs[0];
  auto nest = LoopNest<2>::over(out.dims, {out.strides, in.strides}, kRun);
  return makeStep(nest.tiles(), [=, to = cast.to](std::int64_t tile, const Worker& worker) {
    auto [strideY, strideX] = nest.runStrides();
    nest.run(tile, [&, strideY = strideY, strideX = strideX](const auto& at, std::int64_t count) {
      std::byte* target =
          worker.data<std::byte>(out) + at[0] * static_cast<std::int64_t>(sizeOf(out.type));
      auto pass = [&](auto zero, auto wideZero) {
        using T = decltype(zero);
        using Wide = decltype(wideZero);
        std::array<Wide, kRun> wide;
        load(worker.data<T>(in) + at[1], strideX, count, wide.data());
        store(to, wide.data(), count, target, strideY);
      };
      switch (in.type) {
        case DataType::kInt8:
          return pass(std::int8_t{}, std::int64_t{});
        case DataType::kUInt8:
        case DataType::kBool:
          return pass(std::uint8_t{}, std::int64_t{});
        case DataType::kInt32:
          return pass(std::int32_t{}, std::int64_t{});
        case DataType::kInt64:
          return pass(std::int64_t{}, std::int64_t{});
        default:
          return pass(float{}, double{});
      }
    });
  });
}

}  // namespace
}  // namespace cpu

void registerTactic_portable_cast(cpu::TacticRegistry& registry) {
  cpu::addPortable<Cast>(registry, {.takes = [](const Cast&, const NodeInfo&) { return true; },
                                    .channelsLast = true,
                                    .bind = cpu::bindCast});
}

}  // namespace layerwise
