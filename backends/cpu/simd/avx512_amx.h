#pragma once

#include "backends/cpu/simd/avx512.h"

namespace layerwise::cpu {
namespace {

// The vectors of a processor with tiles.
struct Avx512Amx : Avx512 {
  // Rounds to even; denormal numbers become zeros, as the products take them anyhow.
  static LW_INLINE void storeBFloat16(uint16_t* p, Reg x, int n) {
    const __m256i bits = (__m256i)_mm512_cvtneps_pbh(x);
    if (n >= kWidth) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), bits);
    } else {
      _mm256_mask_storeu_epi16(p, first(n), bits);
    }
  }
  // Four rows of sixteen bytes, of words that are clamped to [0, 255].
  static LW_INLINE void storeFourRows(uint8_t* p, int64_t step, Index a, Index b, Index c,
                                      Index d) {
    const Index rows = rowsOf(a, b, c, d);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_castsi512_si128(rows));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p + step), _mm512_extracti32x4_epi32(rows, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p + 2 * step), _mm512_extracti32x4_epi32(rows, 2));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p + 3 * step), _mm512_extracti32x4_epi32(rows, 3));
  }
  // Two rows of two blocks each: a and b side by side, then c and d.
  static LW_INLINE void storeTwoRows(uint8_t* p, int64_t step, Index a, Index b, Index c, Index d) {
    const Index rows = rowsOf(a, b, c, d);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_castsi512_si256(rows));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + step), _mm512_extracti64x4_epi64(rows, 1));
  }
  // Words clamped to [0, 255] as bytes, one vector after the other.
  static LW_INLINE Index rowsOf(Index a, Index b, Index c, Index d) {
    // Within 128 bits the vectors' quarters lie side by side.
    const Index mixed = _mm512_packus_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
    const Index order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm512_permutexvar_epi32(order, mixed);
  }
  // Thirty-two neighbours, rounded as by storeBFloat16.
  static LW_INLINE void storeBFloat16Pair(uint16_t* p, Reg first, Reg second) {
    _mm512_storeu_si512(p, (__m512i)_mm512_cvtne2ps_pbh(second, first));
  }
  static LW_INLINE Reg div(Reg a, Reg b) { return quotient(a, b); }
  // The first n bytes, n up to 64, and zeros.
  static LW_INLINE Reg loadFirstBytes(const void* p, int64_t n) {
    const __mmask64 mask = n >= 64 ? ~0ull : (1ull << n) - 1;
    return _mm512_castsi512_ps(_mm512_maskz_loadu_epi8(mask, p));
  }
  static LW_INLINE void prefetchForWriting(const void* p) { __builtin_prefetch(p, 1, 3); }
  static LW_INLINE void prefetchFar(const void* p) { _mm_prefetch(p, _MM_HINT_T1); }
};

}  // namespace
}  // namespace layerwise::cpu
