#include <cmath>
#include <limits>
#include <type_traits>

#include "backends/cpu/loop_nest.h"
#include "backends/cpu/single_node.h"

namespace layerwise {
namespace cpu {
namespace {

/// out = f(a, b) with broadcasting.
template <class Out, class In, class F>
std::unique_ptr<Step> map(const BindContext& c, F f) {
  BufferView a = c.inputs[0], b = c.inputs[1], out = c.outputs[0];
  auto nest = LoopNest<3>::over(
      out.dims, {out.strides, broadcastStrides(a, out.dims), broadcastStrides(b, out.dims)});
  return makeStep(nest.tiles(), [=](std::int64_t tile, const Worker& worker) {
    const In *x0 = worker.data<In>(a), *x1 = worker.data<In>(b);
    Out* y = worker.data<Out>(out);
    auto strides = nest.runStrides();
    bool contiguous = nest.runIsContiguous();
    nest.run(tile, [&](const auto& at, std::int64_t count) {
      Out* to = y + at[0];
      const In *first = x0 + at[1], *second = x1 + at[2];
      if (contiguous)
        for (std::int64_t i = 0; i < count; ++i) to[i] = f(first[i], second[i]);
      else
        for (std::int64_t i = 0; i < count; ++i)
          to[i * strides[0]] = f(first[i * strides[1]], second[i * strides[2]]);
    });
  });
}

// In double, where the remainder of two floats is exact and a quotient below 2^53 too.
float floorDivide(float a, float b) {
  if (b == 0) return a / b;
  double rest = std::fmod(static_cast<double>(a), static_cast<double>(b));
  double quotient = (a - rest) / b - (rest != 0 && (rest < 0) != (b < 0) ? 1 : 0);
  return static_cast<float>(std::nearbyint(quotient));
}

float modulo(float a, float b) {
  double rest = std::fmod(static_cast<double>(a), static_cast<double>(b));
  return static_cast<float>(rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest);
}

template <class T>
T quotient(T a, T b) {
  if (b == 0) return 0;
  // The smallest integer has no positive counterpart: it wraps around to itself.
  if (b == -1) return static_cast<T>(0 - static_cast<std::make_unsigned_t<T>>(a));
  return a / b;
}

template <class T>
T quotientDown(T a, T b) {
  T q = quotient(a, b);
  return b != 0 && b != -1 && a % b != 0 && (a < 0) != (b < 0) ? q - 1 : q;
}

template <class T>
T remainderOfDivisor(T a, T b) {
  if (b == 0 || b == -1) return 0;
  T rest = a % b;
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

template <class T>
T integerPower(T base, T exponent) {
  using U = std::make_unsigned_t<T>;
  if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent % 2 ? -1 : 1) : 0;
  U result = 1, factor = static_cast<U>(base);
  for (; exponent > 0; exponent /= 2, factor *= factor)
    if (exponent % 2) result *= factor;
  return static_cast<T>(result);
}

using Operation = ElementWiseOperation;

std::unique_ptr<Step> bindFloat(Operation operation, const BindContext& c) {
  auto go = [&](auto f) { return map<float, float>(c, f); };
  switch (operation) {
    case Operation::kSum:
      return go([](float a, float b) { return a + b; });
    case Operation::kProduct:
      return go([](float a, float b) { return a * b; });
    case Operation::kMax:
      return go([](float a, float b) { return a > b ? a : b; });
    case Operation::kMin:
      return go([](float a, float b) { return a < b ? a : b; });
    case Operation::kSubtract:
      return go([](float a, float b) { return a - b; });
    case Operation::kDivide:
      return go([](float a, float b) { return a / b; });
    case Operation::kPower:
      return go([](float a, float b) { return std::pow(a, b); });
    case Operation::kFloorDivide:
      return go(floorDivide);
    case Operation::kModulo:
      return go(modulo);
    default:
      throw Error(ErrorCode::kInternal, "[portable_elementwise] no such float operation");
  }
}

template <class T>
std::unique_ptr<Step> bindInteger(Operation operation, const BindContext& c) {
  using U = std::make_unsigned_t<T>;
  auto go = [&](auto f) { return map<T, T>(c, f); };
  switch (operation) {
    case Operation::kSum:
      return go([](T a, T b) { return static_cast<T>(static_cast<U>(a) + static_cast<U>(b)); });
    case Operation::kProduct:
      return go([](T a, T b) { return static_cast<T>(static_cast<U>(a) * static_cast<U>(b)); });
    case Operation::kSubtract:
      return go([](T a, T b) { return static_cast<T>(static_cast<U>(a) - static_cast<U>(b)); });
    case Operation::kMax:
      return go([](T a, T b) { return std::max(a, b); });
    case Operation::kMin:
      return go([](T a, T b) { return std::min(a, b); });
    case Operation::kDivide:
      return go(quotient<T>);
    case Operation::kPower:
      return go(integerPower<T>);
    case Operation::kFloorDivide:
      return go(quotientDown<T>);
    case Operation::kModulo:
      return go(remainderOfDivisor<T>);
    default:
      throw Error(ErrorCode::kInternal, "[portable_elementwise] no such integer operation");
  }
}

std::unique_ptr<Step> bindElementWise(const ElementWise& e, const BindContext& c) {
  return withElementType(c.inputs[0].type, [&](auto zero) -> std::unique_ptr<Step> {
    using T = decltype(zero);
    auto test = [&](auto f) { return map<std::uint8_t, T>(c, f); };
    switch (e.operation) {
      case Operation::kEqual:
        return test([](T a, T b) { return a == b; });
      case Operation::kGreater:
        return test([](T a, T b) { return a > b; });
      case Operation::kLess:
        return test([](T a, T b) { return a < b; });
      case Operation::kAnd:
        return test([](T a, T b) { return a != 0 && b != 0; });
      case Operation::kOr:
        return test([](T a, T b) { return a != 0 || b != 0; });
      case Operation::kXor:
        return test([](T a, T b) { return (a != 0) != (b != 0); });
      default:
        if constexpr (std::is_same_v<T, float>)
          return bindFloat(e.operation, c);
        else if constexpr (std::is_signed_v<T>)
          return bindInteger<T>(e.operation, c);
        else
          throw Error(ErrorCode::kInternal, "[portable_elementwise] no such bool operation");
    }
  });
}

std::unique_ptr<Step> bindParametricRelu(const ParametricRelu&, const BindContext& c) {
  return map<float, float>(c, [](float x, float slope) { return x >= 0 ? x : slope * x; });
}

std::unique_ptr<Step> bindSelect(const Select&, const BindContext& c) {
  BufferView condition = c.inputs[0], a = c.inputs[1], b = c.inputs[2], out = c.outputs[0];
  auto nest =
      LoopNest<4>::over(out.dims, {out.strides, broadcastStrides(condition, out.dims),
                                   broadcastStrides(a, out.dims), broadcastStrides(b, out.dims)});
  return withElementType(out.type, [&](auto zero) {
    using T = decltype(zero);
    return makeStep(nest.tiles(), [=](std::int64_t tile, const Worker& worker) {
      const auto* test = worker.data<std::uint8_t>(condition);
      const T *x0 = worker.data<T>(a), *x1 = worker.data<T>(b);
      T* y = worker.data<T>(out);
      auto s = nest.runStrides();
      nest.run(tile, [&](const auto& at, std::int64_t count) {
        for (std::int64_t i = 0; i < count; ++i)
          y[at[0] + i * s[0]] =
              test[at[1] + i * s[1]] ? x0[at[2] + i * s[2]] : x1[at[3] + i * s[3]];
      });
    });
  });
}

}  // namespace
}  // namespace cpu

void registerTactic_portable_elementwise(cpu::TacticRegistry& registry) {
  cpu::addPortable<ElementWise>(
      registry,
      {.takes = [](const ElementWise&, const NodeInfo& info) { return allCommonTypes(info); },
       .channelsLast = true,
       .bind = cpu::bindElementWise});
  cpu::addPortable<ParametricRelu>(
      registry, {.flopsPerOutput = 2, .channelsLast = true, .bind = cpu::bindParametricRelu});
  cpu::addPortable<Select>(
      registry, {.takes = [](const Select&, const NodeInfo& info) { return allCommonTypes(info); },
                 .channelsLast = true,
                 .bind = cpu::bindSelect});
}

}  // namespace layerwise
