#pragma once

#include "backends/cpu/simd/avx512.h"

namespace layerwise::cpu {
namespace {

// Pairs of bfloat16; EmulatedBFloat16Dot says in which order and how it rounds.
struct Avx512BFloat16Dot {
  using Vector = Avx512;
  using Acc = __m512;
  using Words = __m512i;
  static constexpr int kElements = 2;

  static LW_INLINE Acc start(const float* p) { return Avx512::load(p); }
  static LW_INLINE void store(float* p, Acc acc) { Avx512::store(p, acc); }
  static LW_INLINE Words broadcast(const void* p) { return Avx512::broadcastWord(p); }
  static LW_INLINE Words activations(Words x) { return x; }
  static LW_INLINE Words weights(const void* p) { return _mm512_loadu_si512(p); }
  static LW_INLINE Acc dot(Acc acc, Words x, Words w) {
    return _mm512_dpbf16_ps(acc, (__m512bh)x, (__m512bh)w);
  }
};

}  // namespace
}  // namespace layerwise::cpu
