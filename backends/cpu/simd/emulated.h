#pragma once

#include <cstdint>

#include "backends/cpu/simd/inline.h"

// Registers wider than the baseline's are passed between inlined functions only. Include this
// header before the kernels: the pragma works on what follows it.
#pragma GCC diagnostic ignored "-Wpsabi"

namespace layerwise::cpu {
namespace {

// Spelled out, because GCC forgets a vector_size that depends on a template parameter.
template <int W>
struct EmulatedTypes;
template <>
struct EmulatedTypes<8> {
  typedef float Reg __attribute__((vector_size(32)));
  typedef int Index __attribute__((vector_size(32)));
  typedef unsigned Wrapping __attribute__((vector_size(32)));
  typedef unsigned short Shorts __attribute__((vector_size(32)));
};
template <>
struct EmulatedTypes<16> {
  typedef float Reg __attribute__((vector_size(64)));
  typedef int Index __attribute__((vector_size(64)));
  typedef unsigned Wrapping __attribute__((vector_size(64)));
  typedef unsigned short Shorts __attribute__((vector_size(64)));
};

// The same interface over plain arrays. It is the portable kernels' vector, and the twin that lets
// a machine without an instruction set test the packing and the indexing of that set's kernels.
template <int W>
struct Emulated {
  using Reg = typename EmulatedTypes<W>::Reg;
  using Index = typename EmulatedTypes<W>::Index;
  using Wrapping = typename EmulatedTypes<W>::Wrapping;
  using Shorts = typename EmulatedTypes<W>::Shorts;
  static constexpr int kWidth = W;
  static constexpr int kRegisters = 2 * W;

  static LW_INLINE Reg load(const float* p) {
    Reg x;
    __builtin_memcpy(&x, p, sizeof x);
    return x;
  }
  static LW_INLINE Reg inRegister(Reg x) { return x; }
  static LW_INLINE Reg loadFirst(const float* p, int n) {
    Reg x = {};
    for (int i = 0; i < n; ++i) x[i] = p[i];
    return x;
  }
  static LW_INLINE void store(float* p, Reg x) { __builtin_memcpy(p, &x, sizeof x); }
  static LW_INLINE void storeFirst(float* p, Reg x, int n) {
    for (int i = 0; i < n; ++i) p[i] = x[i];
  }
  static LW_INLINE void stream(float* p, Reg x) { store(p, x); }
  static LW_INLINE void finishStreams() {}
  static LW_INLINE Reg set1(float x) { return zero() + x; }
  static LW_INLINE Reg zero() { return Reg{}; }
  static LW_INLINE Reg add(Reg a, Reg b) { return a + b; }
  static LW_INLINE Reg sub(Reg a, Reg b) { return a - b; }
  static LW_INLINE Reg mul(Reg a, Reg b) { return a * b; }
  static LW_INLINE Reg div(Reg a, Reg b) { return a / b; }
  static LW_INLINE Reg reciprocal(Reg b) { return 1.0f / b; }
  static LW_INLINE Reg quotient(Reg a, Reg b) { return a / b; }
  static LW_INLINE Reg fraction(Reg x) {
    for (int i = 0; i < W; ++i) x[i] = __builtin_isinf(x[i]) ? 0 : x[i] - __builtin_floorf(x[i]);
    return x;
  }
  static LW_INLINE Reg timesPowerOfTwo(Reg a, Reg x) {
    for (int i = 0; i < W; ++i) {
      // Outside of this range of exponents all is 0 or infinite.
      const float n = __builtin_fmaxf(-300, __builtin_fminf(300, __builtin_floorf(x[i])));
      a[i] = __builtin_ldexpf(a[i], static_cast<int>(n));
    }
    return a;
  }
  static LW_INLINE Reg fma(Reg a, Reg b, Reg c) { return a * b + c; }
  static LW_INLINE Reg fnma(Reg a, Reg b, Reg c) { return c - a * b; }
  static LW_INLINE Reg max(Reg a, Reg b) { return a > b ? a : b; }
  static LW_INLINE Reg min(Reg a, Reg b) { return a < b ? a : b; }
  static LW_INLINE Reg sqrt(Reg a) {
    for (int i = 0; i < W; ++i) a[i] = __builtin_sqrtf(a[i]);
    return a;
  }
  static LW_INLINE Reg abs(Reg a) {
    const Index bits = reinterpret_cast<Index>(a) & 0x7fffffff;
    return reinterpret_cast<Reg>(bits);
  }
  // Adding and taking away 1.5 * 2^23 rounds to even; enough for the |a| < 2^22 that the functions
  // use.
  static LW_INLINE Reg round(Reg a) {
    const Reg magic = set1(12582912.0f);
    Reg shifted = a + magic;
    __asm__("" : "+m"(shifted));  // keeps the compiler from cancelling the two
    return shifted - magic;
  }
  static LW_INLINE Reg scale(Reg a, Reg exponent) {
    const Index n = reinterpret_cast<Index>(exponent + 12582912.0f) - 0x4b400000, half = n >> 1;
    return a * power(half) * power(n - half);
  }
  static LW_INLINE Reg power(Index n) {
    const Index bits = (n + 127) << 23;
    return reinterpret_cast<Reg>(bits);
  }
  static LW_INLINE Reg selectLess(Reg a, Reg b, Reg yes, Reg no) { return a < b ? yes : no; }
  static LW_INLINE Reg selectNan(Reg a, Reg yes, Reg no) { return a == a ? no : yes; }
  static LW_INLINE Index loadIndex(const int* p) {
    Index x;
    __builtin_memcpy(&x, p, sizeof x);
    return x;
  }
  static LW_INLINE Reg permute(Reg a, Index index) { return __builtin_shuffle(a, index); }
  static LW_INLINE void interleave(Reg a, Reg b, Reg& low, Reg& high) {
    for (int i = 0; i < W / 2; ++i) {
      low[2 * i] = a[i];
      low[2 * i + 1] = b[i];
      high[2 * i] = a[W / 2 + i];
      high[2 * i + 1] = b[W / 2 + i];
    }
  }
  static LW_INLINE void prefetch(const void* p) { __builtin_prefetch(p); }

  static LW_INLINE Reg exactFma(Reg a, Reg b, Reg c) {
    for (int i = 0; i < W; ++i) c[i] = __builtin_fmaf(a[i], b[i], c[i]);
    return c;
  }
  static LW_INLINE void storeIndex(void* p, Index x) { __builtin_memcpy(p, &x, sizeof x); }
  static LW_INLINE Index broadcastWord(const void* p) {
    int word;
    __builtin_memcpy(&word, p, sizeof word);
    return setIndex(word);
  }
  static LW_INLINE Index setIndex(int x) { return Index{} + x; }
  static LW_INLINE Index addIndex(Index a, Index b) {  // wraps
    const Wrapping sum = reinterpret_cast<Wrapping>(a) + reinterpret_cast<Wrapping>(b);
    return reinterpret_cast<Index>(sum);
  }
  static LW_INLINE Reg toFloat(Index x) { return __builtin_convertvector(x, Reg); }
  static LW_INLINE Index toInt(Reg x) {
    Index result = {};
    for (int i = 0; i < W; ++i) result[i] = static_cast<int>(__builtin_nearbyintf(x[i]));
    return result;
  }
  static LW_INLINE Reg evenBFloat16(Index x) {
    const Index bits = x << 16;
    return reinterpret_cast<Reg>(bits);
  }
  static LW_INLINE Reg oddBFloat16(Index x) {
    const Index bits = x & -65536;
    return reinterpret_cast<Reg>(bits);
  }
  static LW_INLINE Index loadBytes(const uint8_t* p) {
    Index x = {};
    for (int i = 0; i < W; ++i) x[i] = p[i];
    return x;
  }
  static LW_INLINE Index loadSignedBytes(const uint8_t* p) {
    Index x = {};
    for (int i = 0; i < W; ++i) x[i] = static_cast<int8_t>(p[i]);
    return x;
  }
  static LW_INLINE void storeBytes(uint8_t* p, Index x, int n) {
    for (int i = 0; i < (n < W ? n : W); ++i) p[i] = static_cast<uint8_t>(x[i]);
  }
  static LW_INLINE uint8_t narrow(int x) {
    return static_cast<uint8_t>(x < 0 ? 0 : x > 255 ? 255 : x);
  }
  // Of words that four vectors hold: bytes clamped to [0, 255], one vector after the other.
  static Index rowsOf(Index a, Index b, Index c, Index d) {
    uint8_t bytes[4][W];
    for (int i = 0; i < W; ++i) {
      bytes[0][i] = narrow(a[i]);
      bytes[1][i] = narrow(b[i]);
      bytes[2][i] = narrow(c[i]);
      bytes[3][i] = narrow(d[i]);
    }
    Index result;
    __builtin_memcpy(&result, bytes, sizeof bytes);
    return result;
  }
  // Integers of 16 bits, twice as many as there are lanes; results that do not fit wrap.
  static LW_INLINE Index loadShorts(const uint8_t* p) {
    Shorts x = {};
    for (int i = 0; i < 2 * W; ++i) x[i] = p[i];
    return reinterpret_cast<Index>(x);
  }
  static LW_INLINE Index setShorts(int x) {
    const Shorts all = Shorts{} + static_cast<unsigned short>(x);
    return reinterpret_cast<Index>(all);
  }
  static LW_INLINE Index addShorts(Index a, Index b) {
    const Shorts sum = reinterpret_cast<Shorts>(a) + reinterpret_cast<Shorts>(b);
    return reinterpret_cast<Index>(sum);
  }
  static LW_INLINE Index subShorts(Index a, Index b) {
    const Shorts difference = reinterpret_cast<Shorts>(a) - reinterpret_cast<Shorts>(b);
    return reinterpret_cast<Index>(difference);
  }
  template <int bits>
  static LW_INLINE Index shiftShorts(Index a) {
    const Shorts shifted = reinterpret_cast<Shorts>(a) << bits;
    return reinterpret_cast<Index>(shifted);
  }
  static LW_INLINE Index subIndex(Index a, Index b) {
    const Wrapping difference = reinterpret_cast<Wrapping>(a) - reinterpret_cast<Wrapping>(b);
    return reinterpret_cast<Index>(difference);
  }
  static LW_INLINE Index mulIndex(Index a, Index b) {
    const Wrapping product = reinterpret_cast<Wrapping>(a) * reinterpret_cast<Wrapping>(b);
    return reinterpret_cast<Index>(product);
  }
  template <int bits>
  static LW_INLINE Index shiftLeft(Index a) {
    const Wrapping shifted = reinterpret_cast<Wrapping>(a) << bits;
    return reinterpret_cast<Index>(shifted);
  }
  template <int bits>
  static LW_INLINE Index shiftRight(Index a) {  // of signed numbers
    return a >> bits;
  }
  static LW_INLINE Reg loadBFloat16(const uint16_t* p) {
    Index x = {};
    for (int i = 0; i < W; ++i) x[i] = p[i];
    return evenBFloat16(x);
  }
  static LW_INLINE Reg load(const uint16_t* p) { return loadBFloat16(p); }
  static LW_INLINE void store(uint16_t* p, Reg x) { storeBFloat16(p, x, W); }
  static LW_INLINE void storeFirst(uint16_t* p, Reg x, int n) { storeBFloat16(p, x, n); }
  static LW_INLINE void storeBFloat16(uint16_t* p, Reg x, int n) {
    const Index bits = reinterpret_cast<Index>(x);
    for (int i = 0; i < (n < W ? n : W); ++i) {
      const uint32_t b = static_cast<uint32_t>(bits[i]);
      const bool isNan = (b & 0x7fffffffu) > 0x7f800000u;
      p[i] = static_cast<uint16_t>((isNan ? b | 0x400000u : b + 0x7fffu + ((b >> 16) & 1u)) >> 16);
    }
  }

  // Within each 16 bytes, bytes or pairs of them from a and b in turn: of the first eight of
  // either, and of the last.
  static LW_INLINE void interleaveBytes(Index a, Index b, Index& low, Index& high) {
    interleaveElements<1>(a, b, low, high);
  }
  static LW_INLINE void interleaveShorts(Index a, Index b, Index& low, Index& high) {
    interleaveElements<2>(a, b, low, high);
  }
  template <int bytes>
  static void interleaveElements(Index a, Index b, Index& low, Index& high) {
    const auto copy = [](Index& to, int place, const Index& from, int at) {
      __builtin_memcpy(reinterpret_cast<char*>(&to) + place,
                       reinterpret_cast<const char*>(&from) + at, bytes);
    };
    for (int part = 0; part < 4 * W; part += 16) {
      for (int i = 0; i < 8; i += bytes) {
        copy(low, part + 2 * i, a, part + i);
        copy(low, part + 2 * i + bytes, b, part + i);
        copy(high, part + 2 * i, a, part + 8 + i);
        copy(high, part + 2 * i + bytes, b, part + 8 + i);
      }
    }
  }
  // A vector of parts of as many bytes.
  template <int parts>
  static Index loadParts(const char* const (&p)[parts]) {
    Index x;
    for (int i = 0; i < parts; ++i) {
      __builtin_memcpy(reinterpret_cast<char*>(&x) + i * (4 * W / parts), p[i], 4 * W / parts);
    }
    return x;
  }
  // Of each of as many parts of a vector the first n bytes.
  template <int parts>
  static void storeParts(char* const (&p)[parts], Index x, int n) {
    constexpr int kBytes = 4 * W / parts;
    for (int i = 0; i < parts; ++i) {
      for (int k = 0; k < (n < kBytes ? n : kBytes); ++k) {
        p[i][k] = reinterpret_cast<const char*>(&x)[i * kBytes + k];
      }
    }
  }
  // Writes the 16-byte parts of a vector `step` words apart.
  static LW_INLINE void storeParts(float* p, Index x, int step) {
    for (int part = 0; part < W / 4; ++part) {
      __builtin_memcpy(p + part * step, reinterpret_cast<const int*>(&x) + 4 * part, 16);
    }
  }
  // Numbers half as wide that are clamped, signed ones and unsigned bytes. They undo interleaving.
  static Index packWords(Index a, Index b) { return pack<int, int16_t>(a, b, -32768, 32767); }
  static Index packShorts(Index a, Index b) { return pack<int16_t, uint8_t>(a, b, 0, 255); }
  template <class From, class To>
  static LW_INLINE Index pack(const Index& a, const Index& b, int low, int high) {
    constexpr int kPart = 16 / sizeof(From), kAll = W / 4 * kPart;
    From from[2][kAll];
    To to[2 * kAll];
    __builtin_memcpy(from[0], &a, sizeof a);
    __builtin_memcpy(from[1], &b, sizeof b);
    for (int i = 0; i < 2 * kAll; ++i) {
      const int x = from[i / kPart % 2][i / kPart / 2 * kPart + i % kPart];
      to[i] = static_cast<To>(x < low ? low : x > high ? high : x);
    }
    Index result;
    __builtin_memcpy(&result, to, sizeof to);
    return result;
  }
  static Index clampBytes(Index x, Index low, Index high) {
    uint8_t bytes[3][4 * W];
    __builtin_memcpy(bytes[0], &x, sizeof x);
    __builtin_memcpy(bytes[1], &low, sizeof x);
    __builtin_memcpy(bytes[2], &high, sizeof x);
    for (int i = 0; i < 4 * W; ++i) {
      if (bytes[0][i] < bytes[1][i]) bytes[0][i] = bytes[1][i];
      if (bytes[0][i] > bytes[2][i]) bytes[0][i] = bytes[2][i];
    }
    __builtin_memcpy(&x, bytes[0], sizeof x);
    return x;
  }
  template <class T>
  static LW_INLINE T inRegister(T x) {
    return x;
  }
  static LW_INLINE Index bitsOf(Reg x) { return reinterpret_cast<Index>(x); }
  static LW_INLINE Index bitsOf(Index x) { return x; }
};

// Four products of unsigned by signed bytes.
template <int W>
struct EmulatedBytesDot {
  using Vector = Emulated<W>;
  using Acc = typename Vector::Index;
  using Words = typename Vector::Index;
  static constexpr int kElements = 4;

  static LW_INLINE Acc start(const float* p) { return weights(p); }
  static LW_INLINE void store(float* p, Acc acc) { Vector::storeIndex(p, acc); }
  static LW_INLINE Words broadcast(const void* p) { return Vector::broadcastWord(p); }
  static LW_INLINE Words activations(Words x) { return x; }
  static LW_INLINE Words weights(const void* p) {
    return Vector::loadIndex(static_cast<const int*>(p));
  }
  static LW_INLINE Acc dot(Acc acc, const Words& x, const Words& w) {
    add(acc, x, w);
    return acc;
  }
  // A call: unrolled a hundred times in a kernel, this would take minutes to compile.
  static __attribute__((noinline)) void add(Acc& acc, const Words& x, const Words& w) {
    for (int i = 0; i < 4; ++i) acc += product(x, w, i);
  }
  static LW_INLINE Words product(const Words& x, const Words& w, int i) {
    return ((x >> (8 * i)) & 255) * ((w << (24 - 8 * i)) >> 24);
  }
  // Two words at a time: the sum of their four products in one place is 16 bits.
  static LW_INLINE Acc dotTwo(Acc acc, const Words& x, const Words& w, const Words& y,
                              const Words& v) {
    addTwo(acc, x, w, y, v);
    return acc;
  }
  static __attribute__((noinline)) void addTwo(Acc& acc, const Words& x, const Words& w,
                                               const Words& y, const Words& v) {
    for (int i = 0; i < 4; i += 2) {
      const Words sum =
          product(x, w, i) + product(x, w, i + 1) + product(y, v, i) + product(y, v, i + 1);
      acc += (sum << 16) >> 16;
    }
  }
};

// Two products of 16-bit integers; the sum wraps.
template <int W>
struct EmulatedShortsDot {
  using Vector = Emulated<W>;
  using Acc = typename Vector::Index;
  using Words = typename Vector::Index;
  static constexpr int kElements = 2;

  static LW_INLINE Acc start(const float* p) { return weights(p); }
  static LW_INLINE void store(float* p, Acc acc) { Vector::storeIndex(p, acc); }
  static LW_INLINE Words broadcast(const void* p) { return Vector::broadcastWord(p); }
  static LW_INLINE Words weights(const void* p) {
    return Vector::loadIndex(static_cast<const int*>(p));
  }
  static LW_INLINE Acc dot(Acc acc, const Words& x, const Words& w) {
    add(acc, x, w);
    return acc;
  }
  static __attribute__((noinline)) void add(Acc& acc, const Words& x, const Words& w) {
    const Words low = (x << 16 >> 16) * (w << 16 >> 16), high = (x >> 16) * (w >> 16);
    acc = Vector::addIndex(acc, Vector::addIndex(low, high));
  }
};

// The same of weights that are bytes in memory.
template <int W>
struct EmulatedWideBytesDot : EmulatedShortsDot<W> {
  using typename EmulatedShortsDot<W>::Words;
  static constexpr int kWeightWordBytes = 2;
  static LW_INLINE Words weights(const void* p) {
    typename EmulatedShortsDot<W>::Vector::Shorts x = {};
    for (int i = 0; i < 2 * W; ++i) {
      x[i] = static_cast<unsigned short>(static_cast<const int8_t*>(p)[i]);
    }
    return reinterpret_cast<Words>(x);
  }
};

// vdpbf16ps: the product of the odd elements is added first, each step rounds once to even, and
// denormal numbers count as zeros where they are read and where they result.
template <int W>
struct EmulatedBFloat16Dot {
  using Vector = Emulated<W>;
  using Acc = typename Vector::Reg;
  using Words = typename Vector::Index;
  static constexpr int kElements = 2;

  static LW_INLINE Acc start(const float* p) { return Vector::load(p); }
  static LW_INLINE void store(float* p, Acc acc) { Vector::store(p, acc); }
  static LW_INLINE Words broadcast(const void* p) { return Vector::broadcastWord(p); }
  static LW_INLINE Words activations(Words x) { return x; }
  static LW_INLINE Words weights(const void* p) {
    return Vector::loadIndex(static_cast<const int*>(p));
  }
  static LW_INLINE Acc flush(Acc x) {
    const Words bits = reinterpret_cast<Words>(x), sign = bits & static_cast<int>(0x80000000u);
    const Words small = (bits & 0x7f800000) == 0;
    const Words result = small ? sign : bits;
    return reinterpret_cast<Acc>(result);
  }
  static LW_INLINE Acc dot(Acc acc, const Words& x, const Words& w) {
    add(acc, x, w);
    return acc;
  }
  static __attribute__((noinline)) void add(Acc& acc, const Words& x, const Words& w) {
    const Acc odd =
        Vector::exactFma(flush(Vector::oddBFloat16(x)), flush(Vector::oddBFloat16(w)), flush(acc));
    acc = flush(Vector::exactFma(flush(Vector::evenBFloat16(x)), flush(Vector::evenBFloat16(w)),
                                 flush(odd)));
  }
};

}  // namespace
}  // namespace layerwise::cpu
