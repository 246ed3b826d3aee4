#include <cmath>

#include "backends/cpu/loop_nest.h"
#include "backends/cpu/plain_activation.h"
#include "backends/cpu/single_node.h"

namespace layerwise {
namespace cpu {
namespace {

/// out = f(in) for every element.
template <class Out, class In, class F>
std::unique_ptr<Step> map(const BindContext& c, F f) {
  BufferView in = c.inputs[0], out = c.outputs[0];
  auto nest = LoopNest<2>::over(out.dims, {out.strides, in.strides});
  return makeStep(nest.tiles(), [=](std::int64_t tile, const Worker& worker) {
    const In* x = worker.data<In>(in);
    Out* y = worker.data<Out>(out);
    auto [strideY, strideX] = nest.runStrides();
    bool contiguous = nest.runIsContiguous();
    nest.run(tile, [&](const auto& at, std::int64_t count) {
      Out* to = y + at[0];
      const In* from = x + at[1];
      if (contiguous)
        for (std::int64_t i = 0; i < count; ++i) to[i] = f(from[i]);
      else
        for (std::int64_t i = 0; i < count; ++i) to[i * strideY] = f(from[i * strideX]);
    });
  });
}

std::unique_ptr<Step> bindActivation(const Activation& a, const BindContext& c) {
  return withActivation(a, [&](auto f) { return map<float, float>(c, f); });
}

template <class T>
std::unique_ptr<Step> bindIntegerUnary(const Unary& a, const BindContext& c) {
  using U = std::make_unsigned_t<T>;
  auto negate = [](T x) { return static_cast<T>(U{0} - static_cast<U>(x)); };
  switch (a.operation) {
    case UnaryOperation::kAbs:
      return map<T, T>(c, [=](T x) { return x < 0 ? negate(x) : x; });
    case UnaryOperation::kNegate:
      return map<T, T>(c, negate);
    case UnaryOperation::kSign:
      return map<T, T>(c, [](T x) { return static_cast<T>((x > 0) - (x < 0)); });
    default:  // rounding leaves an integer as it is
      return map<T, T>(c, [](T x) { return x; });
  }
}

std::unique_ptr<Step> bindFloatUnary(const Unary& a, const BindContext& c) {
  auto go = [&](auto f) { return map<float, float>(c, f); };
  switch (a.operation) {
    case UnaryOperation::kExp:
      return go([](float x) { return std::exp(x); });
    case UnaryOperation::kLog:
      return go([](float x) { return std::log(x); });
    case UnaryOperation::kSqrt:
      return go([](float x) { return std::sqrt(x); });
    case UnaryOperation::kReciprocal:
      return go([](float x) { return 1 / x; });
    case UnaryOperation::kAbs:
      return go([](float x) { return std::abs(x); });
    case UnaryOperation::kNegate:
      return go([](float x) { return -x; });
    case UnaryOperation::kSin:
      return go([](float x) { return std::sin(x); });
    case UnaryOperation::kCos:
      return go([](float x) { return std::cos(x); });
    case UnaryOperation::kTan:
      return go([](float x) { return std::tan(x); });
    case UnaryOperation::kAsin:
      return go([](float x) { return std::asin(x); });
    case UnaryOperation::kAcos:
      return go([](float x) { return std::acos(x); });
    case UnaryOperation::kAtan:
      return go([](float x) { return std::atan(x); });
    case UnaryOperation::kSinh:
      return go([](float x) { return std::sinh(x); });
    case UnaryOperation::kCosh:
      return go([](float x) { return std::cosh(x); });
    case UnaryOperation::kAsinh:
      return go([](float x) { return std::asinh(x); });
    case UnaryOperation::kAcosh:
      return go([](float x) { return std::acosh(x); });
    case UnaryOperation::kAtanh:
      return go([](float x) { return std::atanh(x); });
    case UnaryOperation::kCeil:
      return go([](float x) { return std::ceil(x); });
    case UnaryOperation::kFloor:
      return go([](float x) { return std::floor(x); });
    case UnaryOperation::kErf:
      return go([](float x) { return std::erf(x); });
    case UnaryOperation::kSign:
      return go([](float x) { return x > 0 ? 1.f : x < 0 ? -1.f : x; });
    case UnaryOperation::kRound:
      return go([](float x) { return std::nearbyint(x); });
    case UnaryOperation::kIsInf:
      return map<std::uint8_t, float>(c, [](float x) { return std::isinf(x); });
    case UnaryOperation::kIsNan:
      return map<std::uint8_t, float>(c, [](float x) { return std::isnan(x); });
    case UnaryOperation::kNot:
      break;
  }
  throw Error(ErrorCode::kInternal, "[portable_unary] unknown operation");
}

std::unique_ptr<Step> bindUnary(const Unary& a, const BindContext& c) {
  switch (c.inputs[0].type) {
    case DataType::kInt32:
      return bindIntegerUnary<std::int32_t>(a, c);
    case DataType::kInt64:
      return bindIntegerUnary<std::int64_t>(a, c);
    case DataType::kBool:
      return map<std::uint8_t, std::uint8_t>(c, [](std::uint8_t x) { return x == 0; });
    default:
      return bindFloatUnary(a, c);
  }
}

}  // namespace
}  // namespace cpu

void registerTactic_portable_pointwise(cpu::TacticRegistry& registry) {
  cpu::addPortable<Activation>(
      registry, {.flopsPerOutput = 10, .channelsLast = true, .bind = cpu::bindActivation});
  cpu::addPortable<Unary>(
      registry, {.takes = [](const Unary&, const NodeInfo& info) { return allCommonTypes(info); },
                 .flopsPerOutput = 10,
                 .channelsLast = true,
                 .bind = cpu::bindUnary});
}

}  // namespace layerwise
