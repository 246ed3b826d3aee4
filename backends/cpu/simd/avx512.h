#pragma once

#include <immintrin.h>

#include <cstdint>

#include "backends/cpu/simd/inline.h"

namespace layerwise::cpu {
namespace {

// Sixteen floats. max and min return their second operand where one is NaN, so max(bound, x) keeps
// NaN.
struct Avx512 {
  using Reg = __m512;
  using Index = __m512i;
  static constexpr int kWidth = 16;
  static constexpr int kRegisters = 32;

  static LW_INLINE __mmask16 first(int n) { return static_cast<__mmask16>((1u << n) - 1u); }
  static LW_INLINE Reg load(const float* p) { return _mm512_loadu_ps(p); }
  // Loaded once, not again by each instruction that takes it.
  static LW_INLINE Reg inRegister(Reg x) {
    asm("" : "+v"(x));
    return x;
  }
  static LW_INLINE Reg loadFirst(const float* p, int n) {
    return _mm512_maskz_loadu_ps(first(n), p);
  }
  static LW_INLINE void store(float* p, Reg x) { _mm512_storeu_ps(p, x); }
  static LW_INLINE void storeFirst(float* p, Reg x, int n) {
    _mm512_mask_storeu_ps(p, first(n), x);
  }
  // Past the caches to an aligned place: for what is written once and long before it is read.
  static LW_INLINE void stream(float* p, Reg x) { _mm512_stream_ps(p, x); }
  static LW_INLINE void finishStreams() { _mm_sfence(); }
  static LW_INLINE Reg set1(float x) { return _mm512_set1_ps(x); }
  static LW_INLINE Reg zero() { return _mm512_setzero_ps(); }
  static LW_INLINE Reg add(Reg a, Reg b) { return _mm512_add_ps(a, b); }
  static LW_INLINE Reg sub(Reg a, Reg b) { return _mm512_sub_ps(a, b); }
  static LW_INLINE Reg mul(Reg a, Reg b) { return _mm512_mul_ps(a, b); }
  static LW_INLINE Reg div(Reg a, Reg b) { return _mm512_div_ps(a, b); }
  // 1 / b with a relative error up to 6e-5.
  static LW_INLINE Reg reciprocal(Reg b) { return _mm512_rcp14_ps(b); }
  // To about two ulps for b of usual size: an estimate of 1 / b and a step of Newton's.
  static LW_INLINE Reg quotient(Reg a, Reg b) {
    const Reg r = reciprocal(b);
    return mul(a, mul(r, fnma(b, r, set1(2.0f))));
  }
  // What x is above the next integer; 0 for infinity.
  static LW_INLINE Reg fraction(Reg x) {
    return _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
  }
  // a 2^floor(x)
  static LW_INLINE Reg timesPowerOfTwo(Reg a, Reg x) { return _mm512_scalef_ps(a, x); }
  static LW_INLINE Reg fma(Reg a, Reg b, Reg c) { return _mm512_fmadd_ps(a, b, c); }
  static LW_INLINE Reg fnma(Reg a, Reg b, Reg c) { return _mm512_fnmadd_ps(a, b, c); }
  static LW_INLINE Reg max(Reg a, Reg b) { return _mm512_max_ps(a, b); }
  static LW_INLINE Reg min(Reg a, Reg b) { return _mm512_min_ps(a, b); }
  static LW_INLINE Reg sqrt(Reg a) { return _mm512_sqrt_ps(a); }
  static LW_INLINE Reg abs(Reg a) { return _mm512_abs_ps(a); }
  static LW_INLINE Reg round(Reg a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT); }
  static LW_INLINE Reg scale(Reg a, Reg exponent) { return _mm512_scalef_ps(a, exponent); }
  static LW_INLINE Reg selectLess(Reg a, Reg b, Reg yes, Reg no) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), no, yes);
  }
  static LW_INLINE Reg selectNan(Reg a, Reg yes, Reg no) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q), no, yes);
  }
  static LW_INLINE Index loadIndex(const int* p) { return _mm512_loadu_si512(p); }
  static LW_INLINE Reg permute(Reg a, Index index) { return _mm512_permutexvar_ps(index, a); }
  // low = a0 b0 a1 b1 .., high = the upper halves likewise.
  static LW_INLINE void interleave(Reg a, Reg b, Reg& low, Reg& high) {
    const Index lowIndex =
        _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const Index highIndex =
        _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    low = _mm512_permutex2var_ps(a, lowIndex, b);
    high = _mm512_permutex2var_ps(a, highIndex, b);
  }
  static LW_INLINE void prefetch(const void* p) { _mm_prefetch(p, _MM_HINT_T0); }

  // One rounding on every instruction set, where fma of the portable vector has two.
  static LW_INLINE Reg exactFma(Reg a, Reg b, Reg c) { return fma(a, b, c); }
  static LW_INLINE void storeIndex(void* p, Index x) { _mm512_storeu_si512(p, x); }
  static LW_INLINE Index broadcastWord(const void* p) {
    int word;
    __builtin_memcpy(&word, p, sizeof word);
    return _mm512_set1_epi32(word);
  }
  static LW_INLINE Index setIndex(int x) { return _mm512_set1_epi32(x); }
  static LW_INLINE Index addIndex(Index a, Index b) { return _mm512_add_epi32(a, b); }
  static LW_INLINE Reg toFloat(Index x) { return _mm512_cvtepi32_ps(x); }
  static LW_INLINE Index toInt(Reg x) { return _mm512_cvtps_epi32(x); }  // rounds to even
  static LW_INLINE Reg evenBFloat16(Index x) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(x, 16));
  }
  static LW_INLINE Reg oddBFloat16(Index x) {
    return _mm512_castsi512_ps(_mm512_and_si512(x, _mm512_set1_epi32(-65536)));
  }
  static LW_INLINE Index loadBytes(const uint8_t* p) {
    return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static LW_INLINE Index loadSignedBytes(const uint8_t* p) {
    return _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  // The low bytes of the first n lanes.
  static LW_INLINE void storeBytes(uint8_t* p, Index x, int n) {
    if (n >= kWidth) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(x));
    } else {
      _mm512_mask_cvtepi32_storeu_epi8(p, first(n), x);
    }
  }
  // Of words that four vectors hold: bytes clamped to [0, 255], one vector after the other.
  static LW_INLINE Index rowsOf(Index a, Index b, Index c, Index d) {
    // Within 128 bits the vectors' quarters lie side by side.
    const Index mixed = _mm512_packus_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
    const Index order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm512_permutexvar_epi32(order, mixed);
  }
  // Integers of 16 bits, twice as many as there are lanes; results that do not fit wrap.
  static LW_INLINE Index loadShorts(const uint8_t* p) {
    return _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  static LW_INLINE Index setShorts(int x) { return _mm512_set1_epi16(static_cast<short>(x)); }
  static LW_INLINE Index addShorts(Index a, Index b) { return _mm512_add_epi16(a, b); }
  static LW_INLINE Index subShorts(Index a, Index b) { return _mm512_sub_epi16(a, b); }
  template <int bits>
  static LW_INLINE Index shiftShorts(Index a) {
    return _mm512_slli_epi16(a, bits);
  }
  static LW_INLINE Index subIndex(Index a, Index b) { return _mm512_sub_epi32(a, b); }
  static LW_INLINE Index mulIndex(Index a, Index b) { return _mm512_mullo_epi32(a, b); }
  template <int bits>
  static LW_INLINE Index shiftLeft(Index a) {
    return _mm512_slli_epi32(a, bits);
  }
  template <int bits>
  static LW_INLINE Index shiftRight(Index a) {  // of signed numbers
    return _mm512_srai_epi32(a, bits);
  }
  static LW_INLINE Reg loadBFloat16(const uint16_t* p) {
    return evenBFloat16(
        _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))));
  }
  static LW_INLINE Reg load(const uint16_t* p) { return loadBFloat16(p); }
  static LW_INLINE void store(uint16_t* p, Reg x) { storeBFloat16(p, x, kWidth); }
  static LW_INLINE void storeFirst(uint16_t* p, Reg x, int n) { storeBFloat16(p, x, n); }
  // Rounds to even; NaN stays a quiet NaN.
  static LW_INLINE void storeBFloat16(uint16_t* p, Reg x, int n) {
    const Index bits = _mm512_castps_si512(x), high = _mm512_srli_epi32(bits, 16);
    const Index odd = _mm512_and_si512(high, _mm512_set1_epi32(1));
    const Index rounded = _mm512_srli_epi32(
        _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd), 16);
    const Index result = _mm512_mask_or_epi32(rounded, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), high,
                                              _mm512_set1_epi32(0x40));
    if (n >= kWidth) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(result));
    } else {
      _mm512_mask_cvtepi32_storeu_epi16(p, first(n), result);
    }
  }

  // Within each 16 bytes, bytes or pairs of them from a and b in turn: of the first eight of
  // either, and of the last.
  static LW_INLINE void interleaveBytes(Index a, Index b, Index& low, Index& high) {
    low = _mm512_unpacklo_epi8(a, b);
    high = _mm512_unpackhi_epi8(a, b);
  }
  static LW_INLINE void interleaveShorts(Index a, Index b, Index& low, Index& high) {
    low = _mm512_unpacklo_epi16(a, b);
    high = _mm512_unpackhi_epi16(a, b);
  }
  // A vector of parts of as many bytes.
  static LW_INLINE Index loadParts(const char* const (&p)[1]) { return _mm512_loadu_si512(p[0]); }
  static LW_INLINE Index loadParts(const char* const (&p)[2]) {
    const __m512i first = _mm512_castsi256_si512(load256(p[0]));
    return _mm512_inserti64x4(first, load256(p[1]), 1);
  }
  static LW_INLINE Index loadParts(const char* const (&p)[4]) {
    Index x = _mm512_castsi128_si512(load128(p[0]));
    x = _mm512_inserti32x4(x, load128(p[1]), 1);
    x = _mm512_inserti32x4(x, load128(p[2]), 2);
    return _mm512_inserti32x4(x, load128(p[3]), 3);
  }
  static LW_INLINE __m256i load256(const char* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  static LW_INLINE __m128i load128(const char* p) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  }
  // Of each of as many parts of a vector the first n bytes.
  template <int parts>
  static LW_INLINE void storeParts(char* const (&p)[parts], Index x, int n) {
    constexpr int kBytes = 64 / parts;
    if (n < kBytes) {
      const __mmask64 some = (1ull << n) - 1;
      LW_UNROLL for (int i = 0; i < parts; ++i) {
        _mm512_mask_storeu_epi8(p[i] - i * kBytes, some << i * kBytes, x);
      }
    } else if constexpr (parts == 1) {
      _mm512_storeu_si512(p[0], x);
    } else if constexpr (parts == 2) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(p[0]), _mm512_castsi512_si256(x));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(p[1]), _mm512_extracti64x4_epi64(x, 1));
    } else {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(p[0]), _mm512_castsi512_si128(x));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(p[1]), _mm512_extracti32x4_epi32(x, 1));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(p[2]), _mm512_extracti32x4_epi32(x, 2));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(p[3]), _mm512_extracti32x4_epi32(x, 3));
    }
  }
  // Writes the 16-byte parts of a vector `step` words apart.
  static LW_INLINE void storeParts(float* p, Index x, int step) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_castsi512_si128(x));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p + step), _mm512_extracti32x4_epi32(x, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p + 2 * step), _mm512_extracti32x4_epi32(x, 2));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p + 3 * step), _mm512_extracti32x4_epi32(x, 3));
  }
  // Numbers half as wide that are clamped, signed ones and unsigned bytes. They undo interleaving.
  static LW_INLINE Index packWords(Index a, Index b) { return _mm512_packs_epi32(a, b); }
  static LW_INLINE Index packShorts(Index a, Index b) { return _mm512_packus_epi16(a, b); }
  static LW_INLINE Index clampBytes(Index x, Index low, Index high) {
    return _mm512_min_epu8(_mm512_max_epu8(x, low), high);
  }
  // Keeps the compiler from loading x again wherever it is used.
  template <class T>
  static LW_INLINE T inRegister(T x) {
    __asm__("" : "+v"(x));
    return x;
  }
  static LW_INLINE Index bitsOf(Reg x) { return _mm512_castps_si512(x); }
  static LW_INLINE Index bitsOf(Index x) { return x; }
};

}  // namespace
}  // namespace layerwise::cpu
