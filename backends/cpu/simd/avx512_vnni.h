#pragma once

#include "backends/cpu/simd/avx512.h"

namespace layerwise::cpu {
namespace {

// Four products of unsigned by signed bytes.
struct Avx512VnniDot {
  using Vector = Avx512;
  using Acc = __m512i;
  using Words = __m512i;
  static constexpr int kElements = 4;

  static LW_INLINE Acc start(const float* p) { return weights(p); }
  static LW_INLINE void store(float* p, Acc acc) { Avx512::storeIndex(p, acc); }
  static LW_INLINE Words broadcast(const void* p) { return Avx512::broadcastWord(p); }
  static LW_INLINE Words activations(Words x) { return x; }
  static LW_INLINE Words weights(const void* p) { return _mm512_loadu_si512(p); }
  static LW_INLINE Acc dot(Acc acc, Words x, Words w) { return _mm512_dpbusd_epi32(acc, x, w); }
};

// Two products of 16-bit integers; the sum wraps.
struct Avx512VnniShortsDot {
  using Vector = Avx512;
  using Acc = __m512i;
  using Words = __m512i;
  static constexpr int kElements = 2;

  static LW_INLINE Acc start(const float* p) { return weights(p); }
  static LW_INLINE void store(float* p, Acc acc) { Avx512::storeIndex(p, acc); }
  static LW_INLINE Words broadcast(const void* p) { return Avx512::broadcastWord(p); }
  static LW_INLINE Words weights(const void* p) { return _mm512_loadu_si512(p); }
  static LW_INLINE Acc dot(Acc acc, Words x, Words w) { return _mm512_dpwssd_epi32(acc, x, w); }
};

}  // namespace
}  // namespace layerwise::cpu
