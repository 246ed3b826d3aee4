#pragma once

#include <cstdint>

namespace layerwise::cpu {

/// Pointwise functions that every kernel can apply on its way out; alpha and beta are in Epilogue.
enum class Activation : uint8_t {
  kNone,
  kClip,         ///< min(max(x, alpha), beta); ReLU is 0, inf and ReLU6 is 0, 6
  kLeaky,        ///< x < 0 ? alpha * x : x
  kSigmoid,      ///< 1 / (1 + exp(-x))
  kSilu,         ///< x * sigmoid(x)
  kHardSigmoid,  ///< clip(alpha * x + beta, 0, 1)
  kHardSwish,    ///< x * clip(alpha * x + beta, 0, 1)
  kMish,         ///< x * tanh(log(1 + exp(x)))
  kTanh,
  kElu,       ///< x < 0 ? alpha * (exp(x) - 1) : x
  kGelu,      ///< x * (1 + erf(x / sqrt(2))) / 2
  kExp,       ///< exp(x)
  kSoftplus,  ///< log(1 + exp(x))
};

enum class ResidualPlace : uint8_t { kNone, kBeforeActivation, kAfterActivation };

/// What happens to a result before it is stored: activation(x + residual), or activation(x) +
/// residual.
struct Epilogue {
  Activation activation = Activation::kNone;
  ResidualPlace residual = ResidualPlace::kNone;
  float alpha = 0;
  float beta = 0;
};

}  // namespace layerwise::cpu
