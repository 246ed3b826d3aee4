#pragma once

#include <immintrin.h>

#include "backends/cpu/simd/inline.h"

namespace layerwise::cpu {
namespace {

// Eight floats. max and min return their second operand where one is NaN, so max(bound, x) keeps
// NaN.
struct Avx2 {
  using Reg = __m256;
  using Index = __m256i;
  static constexpr int kWidth = 8;
  static constexpr int kRegisters = 16;

  static LW_INLINE __m256i first(int n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static LW_INLINE Reg load(const float* p) { return _mm256_loadu_ps(p); }
  static LW_INLINE Reg loadFirst(const float* p, int n) { return _mm256_maskload_ps(p, first(n)); }
  static LW_INLINE void store(float* p, Reg x) { _mm256_storeu_ps(p, x); }
  static LW_INLINE void storeFirst(float* p, Reg x, int n) { _mm256_maskstore_ps(p, first(n), x); }
  static LW_INLINE Reg set1(float x) { return _mm256_set1_ps(x); }
  static LW_INLINE Reg zero() { return _mm256_setzero_ps(); }
  static LW_INLINE Reg add(Reg a, Reg b) { return _mm256_add_ps(a, b); }
  static LW_INLINE Reg sub(Reg a, Reg b) { return _mm256_sub_ps(a, b); }
  static LW_INLINE Reg mul(Reg a, Reg b) { return _mm256_mul_ps(a, b); }
  static LW_INLINE Reg div(Reg a, Reg b) { return _mm256_div_ps(a, b); }
  static LW_INLINE Reg fma(Reg a, Reg b, Reg c) { return _mm256_fmadd_ps(a, b, c); }
  static LW_INLINE Reg fnma(Reg a, Reg b, Reg c) { return _mm256_fnmadd_ps(a, b, c); }
  static LW_INLINE Reg max(Reg a, Reg b) { return _mm256_max_ps(a, b); }
  static LW_INLINE Reg min(Reg a, Reg b) { return _mm256_min_ps(a, b); }
  static LW_INLINE Reg sqrt(Reg a) { return _mm256_sqrt_ps(a); }
  static LW_INLINE Reg abs(Reg a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
  static LW_INLINE Reg round(Reg a) {
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  // Two factors, so that exponents from -252 to 254 reach denormals and the largest numbers.
  static LW_INLINE Reg scale(Reg a, Reg exponent) {
    const __m256i n = _mm256_cvtps_epi32(exponent), half = _mm256_srai_epi32(n, 1);
    return _mm256_mul_ps(_mm256_mul_ps(a, power(half)), power(_mm256_sub_epi32(n, half)));
  }
  static LW_INLINE Reg power(__m256i n) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
  }
  static LW_INLINE Reg selectLess(Reg a, Reg b, Reg yes, Reg no) {
    return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
  }
  static LW_INLINE Reg selectNan(Reg a, Reg yes, Reg no) {
    return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, a, _CMP_UNORD_Q));
  }
  static LW_INLINE Index loadIndex(const int* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  static LW_INLINE Reg permute(Reg a, Index index) { return _mm256_permutevar8x32_ps(a, index); }
  // low = a0 b0 a1 b1 .., high = the upper halves likewise.
  static LW_INLINE void interleave(Reg a, Reg b, Reg& low, Reg& high) {
    const Reg even = _mm256_unpacklo_ps(a, b), odd = _mm256_unpackhi_ps(a, b);
    low = _mm256_permute2f128_ps(even, odd, 0x20);
    high = _mm256_permute2f128_ps(even, odd, 0x31);
  }
  static LW_INLINE void prefetch(const void* p) { _mm_prefetch(p, _MM_HINT_T0); }
};

}  // namespace
}  // namespace layerwise::cpu
