#pragma once

#include <cstdint>

#include "backends/cpu/kernels/dot.h"
#include "backends/cpu/tensor_ops.h"

namespace layerwise::cpu {
namespace {

// As many as hide the latency of any processor's two pipes.
constexpr int kPeakChains = 12;

// Multiply-adds on registers. Returns a sum, so that the compiler keeps them.
template <class Dot>
float peakLoop(int64_t steps) {
  using V = typename Dot::Vector;
  alignas(64) float words[V::kWidth];
  for (int i = 0; i < V::kWidth; ++i) words[i] = 0.999f;
  typename Dot::Acc acc[kPeakChains];
  LW_UNROLL for (int i = 0; i < kPeakChains; ++i) acc[i] = Dot::start(words);
  const auto x = Dot::broadcast(words);
  const auto w = Dot::weights(words);
  for (int64_t step = 0; step < steps; ++step) {
    LW_UNROLL for (int i = 0; i < kPeakChains; ++i) acc[i] = Dot::dot(acc[i], x, w);
  }
  float sum = 0;
  LW_UNROLL for (int i = 0; i < kPeakChains; ++i) {
    Dot::store(words, acc[i]);
    sum += words[0];
  }
  return sum;
}

template <class Dot>
constexpr Peak peakOf() {
  return {&peakLoop<Dot>, 2 * kPeakChains * Dot::Vector::kWidth * Dot::kElements};
}

}  // namespace
}  // namespace layerwise::cpu
