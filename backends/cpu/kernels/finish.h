#pragma once

#include "backends/cpu/conv.h"
#include "backends/cpu/kernels/transpose.h"
#include "backends/cpu/simd/math.h"

namespace layerwise::cpu {
namespace {

// Whether the microkernel's clip does all of the epilogue but a residual before it.
LW_INLINE bool isClip(const Epilogue& e) {
  return (e.activation == Activation::kNone || e.activation == Activation::kClip) &&
         e.residual != ResidualPlace::kAfterActivation;
}
LW_INLINE float clipLow(const Epilogue& e) {
  return e.activation == Activation::kClip ? e.alpha : -__builtin_inff();
}
LW_INLINE float clipHigh(const Epilogue& e) {
  return e.activation == Activation::kClip ? e.beta : __builtin_inff();
}

// Applies the epilogue to `pixels` rows of `channels` values in place; residual is null where there
// is none.
template <class V>
void finishPixels(const Epilogue& epilogue, float* c, int64_t cPixel, const float* residual,
                  int64_t residualPixel, int64_t pixels, int64_t channels) {
  const bool before = epilogue.residual == ResidualPlace::kBeforeActivation;
  withActivation<V>(epilogue, [&](const auto& activation) {
    for (int64_t p = 0; p < pixels; ++p, c += cPixel, residual += residual ? residualPixel : 0) {
      for (int64_t i = 0; i < channels; i += V::kWidth) {
        const int64_t lanes = channels - i;
        auto x = loadUpTo<V>(c + i, lanes);
        if (residual && before) x = V::add(x, loadUpTo<V>(residual + i, lanes));
        x = activation(x);
        if (residual && !before) x = V::add(x, loadUpTo<V>(residual + i, lanes));
        storeUpTo<V>(c + i, x, lanes);
      }
    }
  });
}

// Copies `pixels` rows of `channels` values to where channels lie `outChannel` apart.
template <class V>
void scatterPixels(const float* c, int64_t cPixel, float* out, int64_t outPixel, int64_t outChannel,
                   int64_t pixels, int64_t channels) {
  if (outPixel == 1) {
    for (int64_t p = 0; p < pixels; p += V::kWidth) {
      for (int64_t i = 0; i < channels; i += V::kWidth) {
        transposeBlock<V>(c + p * cPixel + i, cPixel, pixels - p, out + i * outChannel + p,
                          outChannel, channels - i);
      }
    }
    return;
  }
  for (int64_t i = 0; i < channels; ++i) {
    for (int64_t p = 0; p < pixels; ++p) out[i * outChannel + p * outPixel] = c[p * cPixel + i];
  }
}

}  // namespace
}  // namespace layerwise::cpu
