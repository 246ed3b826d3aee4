#pragma once

#include "backends/cpu/simd/avx2.h"

namespace layerwise::cpu {
namespace {

// Four products of unsigned by signed bytes.
struct Avx2VnniDot {
  using Vector = Avx2;
  using Acc = __m256i;
  using Words = __m256i;
  static constexpr int kElements = 4;

  static LW_INLINE Acc start(const float* p) { return weights(p); }
  static LW_INLINE void store(float* p, Acc acc) { Avx2::storeIndex(p, acc); }
  static LW_INLINE Words broadcast(const void* p) { return Avx2::broadcastWord(p); }
  static LW_INLINE Words activations(Words x) { return x; }
  static LW_INLINE Words weights(const void* p) { return Avx2SaturatingBytesDot::weights(p); }
  static LW_INLINE Acc dot(Acc acc, Words x, Words w) { return _mm256_dpbusd_avx_epi32(acc, x, w); }
};

// Two products of 16-bit integers; the sum wraps.
struct Avx2VnniShortsDot : Avx2ShortsDot {
  static LW_INLINE Acc dot(Acc acc, Words x, Words w) { return _mm256_dpwssd_avx_epi32(acc, x, w); }
};

}  // namespace
}  // namespace layerwise::cpu
