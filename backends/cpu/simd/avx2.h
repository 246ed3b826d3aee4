#pragma once

#include <immintrin.h>

#include <cstdint>

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
  // Loaded once, not again by each instruction that takes it.
  static LW_INLINE Reg inRegister(Reg x) {
    asm("" : "+x"(x));
    return x;
  }
  static LW_INLINE Reg loadFirst(const float* p, int n) { return _mm256_maskload_ps(p, first(n)); }
  static LW_INLINE void store(float* p, Reg x) { _mm256_storeu_ps(p, x); }
  static LW_INLINE void storeFirst(float* p, Reg x, int n) { _mm256_maskstore_ps(p, first(n), x); }
  static LW_INLINE void stream(float* p, Reg x) { _mm256_stream_ps(p, x); }
  static LW_INLINE void finishStreams() { _mm_sfence(); }
  static LW_INLINE Reg set1(float x) { return _mm256_set1_ps(x); }
  static LW_INLINE Reg zero() { return _mm256_setzero_ps(); }
  static LW_INLINE Reg add(Reg a, Reg b) { return _mm256_add_ps(a, b); }
  static LW_INLINE Reg sub(Reg a, Reg b) { return _mm256_sub_ps(a, b); }
  static LW_INLINE Reg mul(Reg a, Reg b) { return _mm256_mul_ps(a, b); }
  static LW_INLINE Reg div(Reg a, Reg b) { return _mm256_div_ps(a, b); }
  // 1 / b with a relative error up to 4e-4.
  static LW_INLINE Reg reciprocal(Reg b) { return _mm256_rcp_ps(b); }
  // To about two ulps for b of usual size: an estimate of 1 / b and a step of Newton's.
  static LW_INLINE Reg quotient(Reg a, Reg b) {
    const Reg r = reciprocal(b);
    return mul(a, mul(r, fnma(b, r, set1(2.0f))));
  }
  // What x, between -126 and 127, is above an integer next to it: from 0 to 1.
  static LW_INLINE Reg fraction(Reg x) {
    return _mm256_sub_ps(x, _mm256_sub_ps(inLastBits(x), set1(kLastBits)));
  }
  // a 2^n for a from about 1 to 2 and that integer n.
  static LW_INLINE Reg timesPowerOfTwo(Reg a, Reg x) {
    const __m256i n = _mm256_slli_epi32(_mm256_castps_si256(inLastBits(x)), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a), n));
  }
  // Added to a number this leaves the nearest integer in the last bits: additions have a port that
  // rounding and conversions lack.
  static constexpr float kLastBits = 0x1.8p23f;
  static LW_INLINE Reg inLastBits(Reg x) {
    return _mm256_add_ps(_mm256_sub_ps(x, set1(0.5f)), set1(kLastBits));
  }
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

  // One rounding on every instruction set, where fma of the portable vector has two.
  static LW_INLINE Reg exactFma(Reg a, Reg b, Reg c) { return fma(a, b, c); }
  static LW_INLINE void storeIndex(void* p, Index x) {
    _mm256_storeu_si256(static_cast<__m256i*>(p), x);
  }
  static LW_INLINE Index broadcastWord(const void* p) {
    int word;
    __builtin_memcpy(&word, p, sizeof word);
    return _mm256_set1_epi32(word);
  }
  static LW_INLINE Index setIndex(int x) { return _mm256_set1_epi32(x); }
  static LW_INLINE Index addIndex(Index a, Index b) { return _mm256_add_epi32(a, b); }
  static LW_INLINE Reg toFloat(Index x) { return _mm256_cvtepi32_ps(x); }
  static LW_INLINE Index toInt(Reg x) { return _mm256_cvtps_epi32(x); }  // rounds to even
  static LW_INLINE Reg evenBFloat16(Index x) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(x, 16));
  }
  static LW_INLINE Reg oddBFloat16(Index x) {
    return _mm256_castsi256_ps(_mm256_and_si256(x, _mm256_set1_epi32(-65536)));
  }
  static LW_INLINE Index loadBytes(const uint8_t* p) {
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
  }
  static LW_INLINE Index loadSignedBytes(const uint8_t* p) {
    return _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
  }
  // The low bytes of the first n lanes, which hold 0 to 255.
  static LW_INLINE void storeBytes(uint8_t* p, Index x, int n) {
    const __m128i words =
        _mm_packus_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
    const __m128i bytes = _mm_packus_epi16(words, words);
    if (n >= kWidth) {
      _mm_storel_epi64(reinterpret_cast<__m128i*>(p), bytes);
    } else {
      uint8_t all[16];
      _mm_storeu_si128(reinterpret_cast<__m128i*>(all), bytes);
      for (int i = 0; i < n; ++i) p[i] = all[i];
    }
  }
  // Of words that four vectors hold: bytes clamped to [0, 255], one vector after the other.
  static LW_INLINE Index rowsOf(Index a, Index b, Index c, Index d) {
    // Within 128 bits the vectors' halves lie side by side.
    const Index mixed = _mm256_packus_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
    return _mm256_permutevar8x32_epi32(mixed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  }
  // Integers of 16 bits, twice as many as there are lanes; results that do not fit wrap.
  static LW_INLINE Index loadShorts(const uint8_t* p) {
    return _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static LW_INLINE Index setShorts(int x) { return _mm256_set1_epi16(static_cast<short>(x)); }
  static LW_INLINE Index addShorts(Index a, Index b) { return _mm256_add_epi16(a, b); }
  static LW_INLINE Index subShorts(Index a, Index b) { return _mm256_sub_epi16(a, b); }
  template <int bits>
  static LW_INLINE Index shiftShorts(Index a) {
    return _mm256_slli_epi16(a, bits);
  }
  static LW_INLINE Index subIndex(Index a, Index b) { return _mm256_sub_epi32(a, b); }
  static LW_INLINE Index mulIndex(Index a, Index b) { return _mm256_mullo_epi32(a, b); }
  template <int bits>
  static LW_INLINE Index shiftLeft(Index a) {
    return _mm256_slli_epi32(a, bits);
  }
  template <int bits>
  static LW_INLINE Index shiftRight(Index a) {  // of signed numbers
    return _mm256_srai_epi32(a, bits);
  }
  static LW_INLINE Reg loadBFloat16(const uint16_t* p) {
    return evenBFloat16(
        _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
  }
  static LW_INLINE Reg load(const uint16_t* p) { return loadBFloat16(p); }
  static LW_INLINE void store(uint16_t* p, Reg x) { storeBFloat16(p, x, kWidth); }
  static LW_INLINE void storeFirst(uint16_t* p, Reg x, int n) { storeBFloat16(p, x, n); }
  // Rounds to even; NaN stays a quiet NaN.
  static LW_INLINE void storeBFloat16(uint16_t* p, Reg x, int n) {
    const Index bits = _mm256_castps_si256(x), high = _mm256_srli_epi32(bits, 16);
    const Index odd = _mm256_and_si256(high, _mm256_set1_epi32(1));
    const Index rounded = _mm256_srli_epi32(
        _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd), 16);
    const Index quiet = _mm256_or_si256(high, _mm256_set1_epi32(0x40));
    const Index isNan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    const Index result = _mm256_blendv_epi8(rounded, quiet, isNan);
    const __m128i packed =
        _mm_packus_epi32(_mm256_castsi256_si128(result), _mm256_extracti128_si256(result, 1));
    if (n >= kWidth) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(p), packed);
    } else {
      uint16_t all[8];
      _mm_storeu_si128(reinterpret_cast<__m128i*>(all), packed);
      for (int i = 0; i < n; ++i) p[i] = all[i];
    }
  }

  // Within each 16 bytes, bytes or pairs of them from a and b in turn: of the first eight of
  // either, and of the last.
  static LW_INLINE void interleaveBytes(Index a, Index b, Index& low, Index& high) {
    low = _mm256_unpacklo_epi8(a, b);
    high = _mm256_unpackhi_epi8(a, b);
  }
  static LW_INLINE void interleaveShorts(Index a, Index b, Index& low, Index& high) {
    low = _mm256_unpacklo_epi16(a, b);
    high = _mm256_unpackhi_epi16(a, b);
  }
  // A vector of parts of as many bytes.
  static LW_INLINE Index loadParts(const char* const (&p)[1]) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p[0]));
  }
  static LW_INLINE Index loadParts(const char* const (&p)[2]) {
    return _mm256_loadu2_m128i(reinterpret_cast<const __m128i*>(p[1]),
                               reinterpret_cast<const __m128i*>(p[0]));
  }
  // Of each of as many parts of a vector the first n bytes.
  static LW_INLINE void storeParts(char* const (&p)[1], Index x, int n) {
    if (n >= 32) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(p[0]), x);
    } else {
      storeFirst(p[0], _mm256_castsi256_si128(x), n);
      if (n > 16) storeFirst(p[0] + 16, _mm256_extracti128_si256(x, 1), n - 16);
    }
  }
  static LW_INLINE void storeParts(char* const (&p)[2], Index x, int n) {
    storeFirst(p[0], _mm256_castsi256_si128(x), n);
    storeFirst(p[1], _mm256_extracti128_si256(x, 1), n);
  }
  static LW_INLINE void storeParts(char* const (&p)[4], Index x, int n) {
    const __m128i low = _mm256_castsi256_si128(x), high = _mm256_extracti128_si256(x, 1);
    storeFirst<8>(p[0], low, n);
    storeFirst<8>(p[1], _mm_unpackhi_epi64(low, low), n);
    storeFirst<8>(p[2], high, n);
    storeFirst<8>(p[3], _mm_unpackhi_epi64(high, high), n);
  }
  template <int most = 16>
  static LW_INLINE void storeFirst(char* p, __m128i x, int n) {
    if (n >= most) {
      if constexpr (most == 16) {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(p), x);
      } else {
        _mm_storel_epi64(reinterpret_cast<__m128i*>(p), x);
      }
      return;
    }
    if (n & 8) {
      _mm_storel_epi64(reinterpret_cast<__m128i*>(p), x);
      x = _mm_unpackhi_epi64(x, x);
      p += 8;
    }
    auto rest = static_cast<uint64_t>(_mm_cvtsi128_si64(x));
    for (int size = 4; size > 0; size /= 2) {
      if (!(n & size)) continue;
      __builtin_memcpy(p, &rest, static_cast<size_t>(size));
      rest >>= 8 * size;
      p += size;
    }
  }
  // Writes the 16-byte parts of a vector `step` words apart.
  static LW_INLINE void storeParts(float* p, Index x, int step) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_castsi256_si128(x));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p + step), _mm256_extracti128_si256(x, 1));
  }
  // Numbers half as wide that are clamped, signed ones and unsigned bytes. They undo interleaving.
  static LW_INLINE Index packWords(Index a, Index b) { return _mm256_packs_epi32(a, b); }
  static LW_INLINE Index packShorts(Index a, Index b) { return _mm256_packus_epi16(a, b); }
  static LW_INLINE Index clampBytes(Index x, Index low, Index high) {
    return _mm256_min_epu8(_mm256_max_epu8(x, low), high);
  }
  // Keeps the compiler from loading x again wherever it is used.
  template <class T>
  static LW_INLINE T inRegister(T x) {
    __asm__("" : "+x"(x));
    return x;
  }
  static LW_INLINE Index bitsOf(Reg x) { return _mm256_castps_si256(x); }
  static LW_INLINE Index bitsOf(Index x) { return x; }
};

// Two products of 16-bit integers; the sum wraps.
struct Avx2ShortsDot {
  using Vector = Avx2;
  using Acc = __m256i;
  using Words = __m256i;
  static constexpr int kElements = 2;

  static LW_INLINE Acc start(const float* p) { return weights(p); }
  static LW_INLINE void store(float* p, Acc acc) { Avx2::storeIndex(p, acc); }
  static LW_INLINE Words broadcast(const void* p) { return Avx2::broadcastWord(p); }
  static LW_INLINE Words weights(const void* p) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(p));
  }
  static LW_INLINE Acc dot(Acc acc, Words x, Words w) {
    acc = _mm256_add_epi32(acc, _mm256_madd_epi16(x, w));
    // Or GCC adds the products of several steps first, and keeps them all in memory.
    __asm__("" : "+x"(acc));
    return acc;
  }
};

// The same of weights that are bytes in memory.
struct Avx2WideBytesDot : Avx2ShortsDot {
  static constexpr int kWeightWordBytes = 2;
  static LW_INLINE Words weights(const void* p) {
    return _mm256_cvtepi8_epi16(_mm_loadu_si128(static_cast<const __m128i*>(p)));
  }
};

// Four products of unsigned by signed bytes. The sum of two may not fit vpmaddubsw's 16 bits:
// Saturating takes weights for which they do, Exact any.
struct Avx2SaturatingBytesDot {
  using Vector = Avx2;
  using Acc = __m256i;
  using Words = __m256i;
  static constexpr int kElements = 4;

  static LW_INLINE Acc start(const float* p) { return weights(p); }
  static LW_INLINE void store(float* p, Acc acc) { Avx2::storeIndex(p, acc); }
  static LW_INLINE Words broadcast(const void* p) { return Avx2::broadcastWord(p); }
  static LW_INLINE Words activations(__m256i x) { return x; }
  static LW_INLINE Words weights(const void* p) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(p));
  }
  static LW_INLINE Acc dot(Acc acc, Words x, Words w) {
    return Avx2ShortsDot::dot(acc, _mm256_maddubs_epi16(x, w), _mm256_set1_epi16(1));
  }
  // Both words' products, of which those of two pairs are added in 16 bits.
  static LW_INLINE Acc dotTwo(Acc acc, Words x, Words w, Words y, Words v) {
    const Words sum = _mm256_add_epi16(_mm256_maddubs_epi16(x, w), _mm256_maddubs_epi16(y, v));
    return Avx2ShortsDot::dot(acc, sum, _mm256_set1_epi16(1));
  }
};

struct Avx2ExactBytesDot {
  using Vector = Avx2;
  using Acc = __m256i;
  struct Words {
    __m256i even, odd;  // 16 bits each
  };
  static constexpr int kElements = 4;

  static LW_INLINE Acc start(const float* p) { return Avx2SaturatingBytesDot::start(p); }
  static LW_INLINE void store(float* p, Acc acc) { Avx2::storeIndex(p, acc); }
  static LW_INLINE Words broadcast(const void* p) { return activations(Avx2::broadcastWord(p)); }
  static LW_INLINE Words activations(__m256i x) {
    return {_mm256_and_si256(x, _mm256_set1_epi16(255)), _mm256_srli_epi16(x, 8)};
  }
  static LW_INLINE Words weights(const void* p) {
    const __m256i w = _mm256_loadu_si256(static_cast<const __m256i*>(p));
    return {_mm256_srai_epi16(_mm256_slli_epi16(w, 8), 8), _mm256_srai_epi16(w, 8)};
  }
  static LW_INLINE Acc dot(Acc acc, const Words& x, const Words& w) {
    const __m256i even = _mm256_madd_epi16(x.even, w.even), odd = _mm256_madd_epi16(x.odd, w.odd);
    return _mm256_add_epi32(_mm256_add_epi32(acc, even), odd);
  }
};

}  // namespace
}  // namespace layerwise::cpu
