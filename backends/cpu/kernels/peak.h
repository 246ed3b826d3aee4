#pragma once

#include <cstdint>

#include "backends/cpu/simd/inline.h"

namespace layerwise::cpu {
namespace {

// Multiply-adds on registers: as many chains as hide the latency of any processor's two pipes.
constexpr int kPeakChains = 12;

template <class V>
float peakLoop(int64_t steps) {
  using Reg = typename V::Reg;
  Reg acc[kPeakChains];
  LW_UNROLL for (int i = 0; i < kPeakChains; ++i) acc[i] = V::set1(static_cast<float>(i));
  const Reg factor = V::set1(0.999f), term = V::set1(0.001f);
  for (int64_t step = 0; step < steps; ++step) {
    LW_UNROLL for (int i = 0; i < kPeakChains; ++i) acc[i] = V::fma(acc[i], factor, term);
  }
  LW_UNROLL for (int i = 1; i < kPeakChains; ++i) acc[0] = V::add(acc[0], acc[i]);
  float lanes[V::kWidth];
  V::store(lanes, acc[0]);
  return lanes[0];
}

}  // namespace
}  // namespace layerwise::cpu
