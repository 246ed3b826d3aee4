#pragma once

#include "backends/cpu/simd/avx512_bf16.h"

namespace layerwise::cpu {
namespace {

// The vectors of a processor with tiles.
struct Avx512Amx : Avx512Rounding {
  // Thirty-two neighbours, rounded as by storeBFloat16.
  static LW_INLINE Reg bfloat16Pair(Reg first, Reg second) {
    return _mm512_castsi512_ps((__m512i)_mm512_cvtne2ps_pbh(second, first));
  }
  static LW_INLINE void storeBFloat16Pair(uint16_t* p, Reg first, Reg second) {
    store(reinterpret_cast<float*>(p), bfloat16Pair(first, second));
  }
  static LW_INLINE Reg div(Reg a, Reg b) { return quotient(a, b); }
  // |x|, but `most` where it is more or NaN.
  static LW_INLINE Reg magnitude(Reg x, Reg most) {
    constexpr int kSmallerMagnitudeWithoutSign = 0b1010;
    return _mm512_range_ps(x, most, kSmallerMagnitudeWithoutSign);
  }
  // table[i % 32]
  static LW_INLINE Reg lookUp(const float (&table)[32], Index i) {
    return _mm512_permutex2var_ps(load(table), i, load(table + kWidth));
  }
  // The first n bytes, n up to 64, and zeros.
  static LW_INLINE Reg loadFirstBytes(const void* p, int64_t n) {
    const __mmask64 mask = n >= 64 ? ~0ull : (1ull << n) - 1;
    return _mm512_castsi512_ps(_mm512_maskz_loadu_epi8(mask, p));
  }
  // Byte i is from[index[i]] where bit i of `places` is set, else that of `others`.
  static LW_INLINE Reg pickBytes(Reg others, uint64_t places, Reg index, Reg from) {
    return _mm512_castsi512_ps(_mm512_mask_permutexvar_epi8(_mm512_castps_si512(others), places,
                                                            _mm512_castps_si512(index),
                                                            _mm512_castps_si512(from)));
  }
  // Two rows of bfloat16 from 64 codes: magnitudes by their low seven bits, signs by the highest.
  static LW_INLINE void expandCodes(const void* codes, const uint8_t* low, const uint8_t* high,
                                    void* rows) {
    const __m512i code = _mm512_loadu_si512(codes);
    const auto pick = [&](const uint8_t* table) __attribute__((always_inline)) {
      return _mm512_permutex2var_epi8(_mm512_loadu_si512(table), code,
                                      _mm512_loadu_si512(table + 64));
    };
    constexpr int kFirstOrBothOthers = 0xf8;
    const __m512i bottom = pick(low),
                  top = _mm512_ternarylogic_epi32(pick(high), code, _mm512_set1_epi8(-128),
                                                  kFirstOrBothOthers);
    auto* to = static_cast<char*>(rows);
    _mm512_storeu_si512(to, _mm512_unpacklo_epi8(bottom, top));
    _mm512_storeu_si512(to + 64, _mm512_unpackhi_epi8(bottom, top));
  }
  static LW_INLINE void prefetchFar(const void* p) { _mm_prefetch(p, _MM_HINT_T1); }
};

}  // namespace
}  // namespace layerwise::cpu
