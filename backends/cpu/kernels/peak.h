#pragma once

#include <cstdint>

#include "backends/cpu/kernels/micro.h"
#include "backends/cpu/tensor_ops.h"

namespace layerwise::cpu {
namespace {

// As many as hide the latency of any processor's two pipes.
constexpr int kPeakChains = 12;

// Multiply-adds on registers. Returns a sum, so that the compiler keeps them. It must not see that
// two chains are one, or that a product which takes an instruction of its own was there before.
template <class Dot>
float peakLoop(int64_t steps) {
  using V = typename Dot::Vector;
  alignas(64) float words[kPeakChains][V::kWidth];
  for (int i = 0; i < kPeakChains * V::kWidth; ++i) {
    words[i / V::kWidth][i % V::kWidth] = 1.0f - 0.001f * static_cast<float>(i / V::kWidth);
  }
  typename Dot::Acc acc[kPeakChains];
  LW_UNROLL for (int i = 0; i < kPeakChains; ++i) acc[i] = Dot::start(words[i]);
  for (int64_t step = 0; step < steps; ++step) {
    asm volatile("" : : "r"(words) : "memory");
    LW_UNROLL for (int i = 0; i < kPeakChains; ++i) {
      const int x = sumsIntegers<Dot> ? i / 3 : 0, w = sumsIntegers<Dot> ? i % 3 : 0;
      acc[i] = Dot::dot(acc[i], Dot::broadcast(words[x]), Dot::weights(words[w]));
    }
  }
  float sum = 0;
  LW_UNROLL for (int i = 0; i < kPeakChains; ++i) {
    Dot::store(words[0], acc[i]);
    sum += words[0][0];
  }
  return sum;
}

template <class Dot>
constexpr Peak peakOf() {
  return {&peakLoop<Dot>, 2 * kPeakChains * Dot::Vector::kWidth * Dot::kElements};
}

}  // namespace
}  // namespace layerwise::cpu
