#pragma once

#include "backends/cpu/simd/avx512.h"

namespace layerwise::cpu {
namespace {

// The vectors of a processor that rounds to bfloat16.
struct Avx512Rounding : Avx512 {
  // Rounds to even; denormal numbers become zeros, as the products take them anyhow.
  static LW_INLINE void storeBFloat16(uint16_t* p, Reg x, int n) {
    const __m256i bits = (__m256i)_mm512_cvtneps_pbh(x);
    if (n >= kWidth) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), bits);
    } else {
      _mm256_mask_storeu_epi16(p, first(n), bits);
    }
  }
  // Likewise, even and odd places in turn, the first n.
  static LW_INLINE void storePairs(uint16_t* p, Reg even, Reg odd, int n) {
    alignas(64) static constexpr uint16_t kOrder[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                                        21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                                        11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    const Index halves = (Index)_mm512_cvtne2ps_pbh(odd, even);
    const Index result = _mm512_permutexvar_epi16(_mm512_load_si512(kOrder), halves);
    if (n >= 2 * kWidth) {
      _mm512_storeu_si512(p, result);
    } else {
      _mm512_mask_storeu_epi16(p, (1u << n) - 1, result);
    }
  }
};

// Pairs of bfloat16; EmulatedBFloat16Dot says in which order and how it rounds.
struct Avx512BFloat16Dot {
  using Vector = Avx512Rounding;
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
