#pragma once

#include <algorithm>
#include <cmath>
#include <numbers>

#include "layerwise/error.h"
#include "layerwise/layers.h"

/// Activation functions in plain float32, for the portable tactics. Header only, and for units that
/// are compiled for any machine.
namespace layerwise::cpu {

inline float plainSigmoid(float x) {
  return 1 / (1 + std::exp(-x));
}
inline float plainSoftplus(float x) {
  return std::max(x, 0.f) + std::log1p(std::exp(-std::abs(x)));
}

/// Calls go with the function of one float that the attributes describe; gives what it gives.
template <class Go>
auto withActivation(const layerwise::Activation& a, Go&& go) {
  auto alpha = static_cast<float>(a.alpha), beta = static_cast<float>(a.beta);
  switch (a.type) {
    case ActivationType::kRelu:
      return go([](float x) { return x > 0 ? x : 0; });
    case ActivationType::kSigmoid:
      return go(plainSigmoid);
    case ActivationType::kTanh:
      return go([](float x) { return std::tanh(x); });
    case ActivationType::kLeakyRelu:
      return go([=](float x) { return x >= 0 ? x : alpha * x; });
    case ActivationType::kElu:
      return go([=](float x) { return x >= 0 ? x : alpha * std::expm1(x); });
    case ActivationType::kSelu:
      return go([=](float x) { return beta * (x >= 0 ? x : alpha * std::expm1(x)); });
    case ActivationType::kSoftsign:
      return go([](float x) { return x / (1 + std::abs(x)); });
    case ActivationType::kSoftplus:
      return go([=](float x) { return alpha * plainSoftplus(beta * x); });
    case ActivationType::kClip:
      return go([=](float x) { return std::min(beta, std::max(alpha, x)); });
    case ActivationType::kHardSigmoid:
      return go([=](float x) { return std::min(1.f, std::max(0.f, alpha * x + beta)); });
    case ActivationType::kScaledTanh:
      return go([=](float x) { return alpha * std::tanh(beta * x); });
    case ActivationType::kThresholdedRelu:
      // Compared in double: the threshold may lie between two floats.
      return go([threshold = a.alpha](float x) { return x > threshold ? x : 0; });
    case ActivationType::kGeluErf:
      return go([](float x) { return x / 2 * (1 + std::erf(x / std::numbers::sqrt2_v<float>)); });
    case ActivationType::kGeluTanh:
      return go([](float x) {
        constexpr float kFactor = 0.7978845608028654f;  // sqrt(2 / pi)
        return x / 2 * (1 + std::tanh(kFactor * (x + 0.044715f * x * x * x)));
      });
    case ActivationType::kSilu:
      return go([](float x) { return x * plainSigmoid(x); });
    case ActivationType::kMish:
      return go([](float x) { return x * std::tanh(plainSoftplus(x)); });
    case ActivationType::kHardSwish:
      return go([](float x) { return x * std::min(1.f, std::max(0.f, x / 6 + 0.5f)); });
  }
  throw Error(ErrorCode::kInternal, "[activation] unknown type");
}

}  // namespace layerwise::cpu
