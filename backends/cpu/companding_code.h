#pragma once

#include <cstdint>

#include "backends/cpu/companded_weights.h"
#include "backends/cpu/simd/inline.h"

// Companding's arithmetic without branches, so that loops over weights become vector instructions:
// engines are loaded at gigabytes a second. Internal linkage, and nothing of std::, because units
// of every instruction set include this.
namespace layerwise::cpu {
namespace {

// log2 of a positive number, to 1e-4: a minimax polynomial of its fraction.
LW_INLINE float roughLog2(float x) {
  constexpr int kFractionBits = 23, kBias = 127;
  const auto bits = __builtin_bit_cast(std::int32_t, x);
  const auto exponent = static_cast<float>((bits >> kFractionBits) - kBias);
  const float f =
      __builtin_bit_cast(float, (bits & ((1 << kFractionBits) - 1)) | (kBias << kFractionBits));
  return exponent +
         ((((-0.081615809f * f + 0.64514236f) * f - 2.1206751f) * f + 4.0700908f) * f - 2.5128546f);
}

LW_INLINE float largestMagnitude(const float* weights, std::int64_t count) {
  std::uint32_t largest = 0;  // of the bits without the sign: NaN is above infinity
  for (std::int64_t i = 0; i < count; ++i) {
    const std::uint32_t bits = __builtin_bit_cast(std::uint32_t, weights[i]) << 1;
    largest = bits > largest ? bits : largest;
  }
  return __builtin_bit_cast(float, largest >> 1);
}

struct CompandingScale {
  float scale = 0;   // not finite where a weight is not
  float factor = 0;  // of weights before the logarithm; 0: all codes are 0
};

LW_INLINE CompandingScale compandingScale(const float* weights, std::int64_t count) {
  const float largest = largestMagnitude(weights, count);
  if (largest < Companding::kLeast) return {};
  const bool isFinite = largest < __builtin_inff();
  return {largest, isFinite ? static_cast<float>(Companding::kMu) / largest : 0};
}

LW_INLINE std::uint32_t compandedCode(float weight, float factor) {
  const std::uint32_t given = __builtin_bit_cast(std::uint32_t, weight);
  const std::uint32_t bits = factor > 0 ? given : 0;
  const float magnitude = __builtin_bit_cast(float, bits & 0x7fffffffu);
  const float place = Companding::kPerOctave * roughLog2(1 + magnitude * factor) + 0.5f;
  return static_cast<std::uint32_t>(static_cast<int>(place)) | bits >> 31 << 7;
}

}  // namespace
}  // namespace layerwise::cpu
