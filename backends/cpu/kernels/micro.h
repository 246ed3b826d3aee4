#pragma once

#include <cstdint>

#include "backends/cpu/conv_geometry.h"
#include "backends/cpu/kernels/byte_results.h"
#include "backends/cpu/kernels/dot.h"

namespace layerwise::cpu {
namespace {

// Arguments of the microkernel
//   c[r][p][:] = clip(bias + sum over ky, kx, k of a[r][p][ky, kx, k] * b[ky, kx, k][:] +
//   residual[r][p][:])
// where a and b hold 32-bit words: a float, two bfloat16 or four bytes. Steps of a are in bytes,
// those of c and residual in words. The reduced types have neither clip nor residual: c gets the
// accumulators.
struct MicroArgs {
  const void* a;
  int64_t aPixel, aRow;  // between the tile's pixels, and between its rows
  int64_t aKernelRow, aKernelColumn;
  int64_t kernelRows, kernelColumns, depth;
  const float* bias;
  const void* b;  // kernelRows * kernelColumns * depth rows of NV vectors
  float* c;
  int64_t cPixel, cRow;
  const float* residual;  // or null
  int64_t residualPixel, residualRow;
  float low, high;
  int lastLanes;  // lanes of the last vector to store
  // Bytes: where set, results are clamped and rounded on their way out of the registers, to
  // `bytes`, whose steps are those of c.
  const ByteResults* results;
  char* bytes;
  const char* byteResidual;  // or null
  // Of words that are matched: rows of b by twos, of the words order[0], order[1], ..., whose
  // places in a are offsets[word], and behind `matched` rows one by one. Kernel and depth are one
  // then.
  const uint16_t* order;
  const int64_t* offsets;
  int64_t matched;
  // Weights of a later call, asked for while this one multiplies: cache lines at every
  // stepsTogether() steps.
  const char* ahead;
  int64_t aheadLines;
};

// The pixels of a row are addressed as base, + s, + 2s, + 3s, + 4s: x86 forms each address in the
// load itself, and a tile of fourteen needs three bases instead of fourteen pointers.
constexpr int kPixelsPerBase = 5;

template <int index>
LW_INLINE const char* pixelAddress(const char* base, int64_t step, int64_t step3) {
  static_assert(index < kPixelsPerBase);
  if constexpr (index == 0) return base;
  if constexpr (index == 1) return base + step;
  if constexpr (index == 2) return base + 2 * step;
  if constexpr (index == 3) return base + step3;
  return base + 4 * step;
}

// Whether sums are integers, and so become what bytes become.
template <class Dot>
constexpr bool sumsIntegers = __is_same(typename Dot::Acc, typename Dot::Vector::Index);

// Bytes of a word of weights in memory: a Dot may widen what it loads.
template <class Dot>
constexpr int weightWordBytes() {
  if constexpr (requires { Dot::kWeightWordBytes; }) {
    return Dot::kWeightWordBytes;
  } else {
    return 4;
  }
}

template <class Dot>
constexpr int stepsTogether() {
  return isMatched<Dot>() ? 2 : 4;
}

template <class Dot, int R, int P, int NV>
struct MicroKernel {
  using V = typename Dot::Vector;
  using Acc = typename Dot::Acc;
  using Words = typename Dot::Words;
  static constexpr int64_t kLine = 64;
  static constexpr int kWordBytes = 4, kWeightBytes = weightWordBytes<Dot>();
  static constexpr int kBases = (P + kPixelsPerBase - 1) / kPixelsPerBase;

  template <int r, int p>
  static LW_INLINE void pixelStep(Acc (&acc)[R][P][NV], const Words (&b)[NV],
                                  const char* const (&bases)[R][kBases], int64_t step,
                                  int64_t step3, int k) {
    const Words x =
        Dot::broadcast(pixelAddress<p % kPixelsPerBase>(bases[r][p / kPixelsPerBase], step, step3) +
                       k * kWordBytes);
    LW_UNROLL for (int n = 0; n < NV; ++n) acc[r][p][n] = Dot::dot(acc[r][p][n], x, b[n]);
    if constexpr (p + 1 < P) {
      pixelStep<r, p + 1>(acc, b, bases, step, step3, k);
    } else if constexpr (r + 1 < R) {
      pixelStep<r + 1, 0>(acc, b, bases, step, step3, k);
    }
  }

  // One value of k for all pixels.
  static LW_INLINE void depthStep(Acc (&acc)[R][P][NV], const char* const (&bases)[R][kBases],
                                  int64_t step, int64_t step3, const char* weights, int k) {
    Words b[NV];
    LW_UNROLL for (int n = 0; n < NV; ++n) {
      b[n] = Dot::weights(weights + (k * NV + n) * V::kWidth * kWeightBytes);
    }
    pixelStep<0, 0>(acc, b, bases, step, step3, k);
  }

  // Whether the registers hold two words' weights beside accumulators, two broadcasts, two sums and
  // a constant: what comes from memory takes longer, and pixels share it.
  static constexpr bool kHoldsWeights = P * NV + 2 * NV + 5 <= V::kRegisters;

  static LW_INLINE Words weightsOf(const char* p) {
    if constexpr (kHoldsWeights) return V::inRegister(Dot::weights(p));
    return Dot::weights(p);
  }

  // Two words of all pixels, matched: `x` and `y` bytes from a's pixels.
  static LW_INLINE void twoWords(Acc (&acc)[R][P][NV], const char* const (&pixels)[P], int64_t x,
                                 int64_t y, const char* weights) {
    Words w[2][NV];
    LW_UNROLL for (int n = 0; n < NV; ++n) {
      w[0][n] = weightsOf(weights + n * V::kWidth * kWeightBytes);
      w[1][n] = weightsOf(weights + (NV + n) * V::kWidth * kWeightBytes);
    }
    LW_UNROLL for (int p = 0; p < P; ++p) {
      const Words first = Dot::broadcast(pixels[p] + x), second = Dot::broadcast(pixels[p] + y);
      LW_UNROLL for (int n = 0; n < NV; ++n) {
        acc[0][p][n] = Dot::dotTwo(acc[0][p][n], first, w[0][n], second, w[1][n]);
      }
    }
  }

  static LW_INLINE void multiplyMatched(Acc (&acc)[R][P][NV], const MicroArgs& args) {
    constexpr int64_t kRow = NV * V::kWidth * kWeightBytes;
    const char* ahead = args.ahead;
    const char* b = static_cast<const char*>(args.b);
    const uint16_t* order = args.order;
    const char* pixels[P];
    LW_UNROLL for (int p = 0; p < P; ++p) {
      pixels[p] = static_cast<const char*>(args.a) + p * args.aPixel;
      __asm__("" : "+r"(pixels[p]));
    }
    int64_t k = args.depth;
    for (int64_t left = args.matched; left > 0; left -= 2, k -= 2, b += 2 * kRow) {
      for (int64_t line = 0; line < args.aheadLines; ++line, ahead += kLine) {
        __builtin_prefetch(ahead, 0, 2);
      }
      const int64_t x = args.offsets[*order++], y = args.offsets[*order++];
      twoWords(acc, pixels, x, y, b);
    }
    for (; k > 0; --k, b += kRow) {
      const int64_t x = args.offsets[*order++];
      LW_UNROLL for (int p = 0; p < P; ++p) {
        const Words word = Dot::broadcast(pixels[p] + x);
        LW_UNROLL for (int n = 0; n < NV; ++n) {
          acc[0][p][n] =
              Dot::dot(acc[0][p][n], word, Dot::weights(b + n * V::kWidth * kWeightBytes));
        }
      }
    }
  }

  static LW_INLINE void multiply(Acc (&acc)[R][P][NV], const MicroArgs& args) {
    constexpr int kUnroll = stepsTogether<Dot>();
    const char* ahead = args.ahead;
    const char* b = static_cast<const char*>(args.b);
    const char* rowStart = static_cast<const char*>(args.a);
    int64_t step = args.aPixel, step3 = 3 * args.aPixel;
    for (int64_t ky = args.kernelRows; ky > 0; --ky, rowStart += args.aKernelRow) {
      const char* start = rowStart;
      for (int64_t kx = args.kernelColumns; kx > 0; --kx, start += args.aKernelColumn) {
        const char* bases[R][kBases];
        LW_UNROLL for (int r = 0; r < R; ++r) {
          LW_UNROLL for (int i = 0; i < kBases; ++i) {
            bases[r][i] = start + r * args.aRow + i * kPixelsPerBase * step;
          }
        }
        int64_t k = args.depth;
        for (; k >= kUnroll; k -= kUnroll) {
          for (int64_t line = 0; line < args.aheadLines; ++line, ahead += kLine) {
            __builtin_prefetch(ahead, 0, 2);
          }
          opaque(bases, step, step3);
          LW_UNROLL for (int u = 0; u < kUnroll; ++u) depthStep(acc, bases, step, step3, b, u);
          advance(bases, kUnroll);
          b += kUnroll * NV * V::kWidth * kWeightBytes;
        }
        for (; k > 0; --k) {
          opaque(bases, step, step3);
          depthStep(acc, bases, step, step3, b, 0);
          advance(bases, 1);
          b += NV * V::kWidth * kWeightBytes;
        }
      }
    }
  }

  static void run(const MicroArgs& args) {
    Acc acc[R][P][NV];
    LW_UNROLL for (int n = 0; n < NV; ++n) {
      const Acc bias = Dot::start(args.bias + n * V::kWidth);
      LW_UNROLL for (int r = 0; r < R; ++r) {
        LW_UNROLL for (int p = 0; p < P; ++p) acc[r][p][n] = bias;
      }
    }
    if constexpr (isMatched<Dot>()) {
      multiplyMatched(acc, args);
    } else {
      multiply(acc, args);
    }
    if constexpr (Dot::kElements == 1) {
      storeTile(acc, args);
    } else if constexpr (sumsIntegers<Dot>) {
      if (!args.results) {
        storeAccumulators(acc, args);
      } else if (args.byteResidual) {
        storeBytes<true>(acc, args);
      } else {
        storeBytes<false>(acc, args);
      }
    } else {
      storeAccumulators(acc, args);
    }
  }

  // Without this the compiler keeps a pointer per pixel, more than there are registers.
  static LW_INLINE void opaque(const char* (&bases)[R][kBases], int64_t& step, int64_t& step3) {
    LW_UNROLL for (int r = 0; r < R; ++r) {
      LW_UNROLL for (int i = 0; i < kBases; ++i) __asm__("" : "+r"(bases[r][i]));
    }
    __asm__("" : "+r"(step), "+r"(step3));
  }

  static LW_INLINE void advance(const char* (&bases)[R][kBases], int words) {
    LW_UNROLL for (int r = 0; r < R; ++r) {
      LW_UNROLL for (int i = 0; i < kBases; ++i) bases[r][i] += words * kWordBytes;
    }
  }

  static LW_INLINE void storeAccumulators(const Acc (&acc)[R][P][NV], const MicroArgs& args) {
    LW_UNROLL for (int r = 0; r < R; ++r) {
      float* c = args.c + r * args.cRow;
      LW_UNROLL for (int p = 0; p < P; ++p, c += args.cPixel) {
        LW_UNROLL for (int n = 0; n < NV; ++n) Dot::store(c + n * V::kWidth, acc[r][p][n]);
      }
    }
  }

  // Pixels whose results make up a vector of bytes.
  static constexpr int kPacked = NV == 1 ? 4 : NV == 2 ? 2 : 1;

  template <bool withResidual>
  static LW_INLINE void storeBytes(const Acc (&acc)[R][P][NV], const MicroArgs& args) {
    constexpr int kRow = (P + kPacked - 1) / kPacked;
    const ByteResults& results = *args.results;
    const BytePacker<V> bytes(results);
    typename V::Reg scale[NV], bias[NV];
    LW_UNROLL for (int n = 0; n < NV; ++n) {
      scale[n] = V::load(results.scale + n * V::kWidth);
      bias[n] = V::load(results.bias + n * V::kWidth);
    }
    // Behind the last pixel or vector that one serves once more.
    const auto pixelOf = [](int k, int i) {
      const int pixel = k * kPacked + i * kPacked / 4;
      return pixel < P ? pixel : P - 1;
    };
    typename V::Index packed[R * kRow];
    LW_UNROLL for (int k = 0; k < R * kRow; ++k) {
      const int r = k / kRow;
      typename V::Index words[4];
      LW_UNROLL for (int i = 0; i < 4; ++i) {
        const int p = pixelOf(k % kRow, i);
        const int n = i % (4 / kPacked) < NV ? i % (4 / kPacked) : NV - 1;
        const char* residual = args.byteResidual;
        if constexpr (withResidual) {
          residual += r * args.residualRow + p * args.residualPixel + n * V::kWidth;
        }
        words[i] = bytes.template word<withResidual>(acc[r][p][n], scale[n], bias[n], residual);
      }
      packed[k] = V::rowsOf(words[0], words[1], words[2], words[3]);
    }
    bytes.clamp(packed);
    const int channels = (NV - 1) * V::kWidth + args.lastLanes;
    LW_UNROLL for (int k = 0; k < R * kRow; ++k) {
      char* to[kPacked];
      LW_UNROLL for (int i = 0; i < kPacked; ++i) {
        const int p = pixelOf(k % kRow, i * 4 / kPacked);
        to[i] = args.bytes + k / kRow * args.cRow + p * args.cPixel;
      }
      V::storeParts(to, packed[k], channels);
    }
  }

  static LW_INLINE void storeTile(Acc (&acc)[R][P][NV], const MicroArgs& args) {
    const bool whole = args.lastLanes == V::kWidth;
    if (args.residual) {
      LW_UNROLL for (int r = 0; r < R; ++r) {
        const float* residual = args.residual + r * args.residualRow;
        LW_UNROLL for (int p = 0; p < P; ++p, residual += args.residualPixel) {
          LW_UNROLL for (int n = 0; n < NV; ++n) {
            const float* from = residual + n * V::kWidth;
            const bool all = n + 1 < NV || whole;
            acc[r][p][n] =
                V::add(acc[r][p][n], all ? V::load(from) : V::loadFirst(from, args.lastLanes));
          }
        }
      }
    }
    const Acc low = V::set1(args.low), high = V::set1(args.high);
    LW_UNROLL for (int r = 0; r < R; ++r) {
      float* c = args.c + r * args.cRow;
      LW_UNROLL for (int p = 0; p < P; ++p, c += args.cPixel) {
        LW_UNROLL for (int n = 0; n < NV; ++n) {
          const Acc x = V::min(high, V::max(low, acc[r][p][n]));
          if (n + 1 < NV || whole) {
            V::store(c + n * V::kWidth, x);
          } else {
            V::storeFirst(c + n * V::kWidth, x, args.lastLanes);
          }
        }
      }
    }
  }
};

using MicroFunction = void (*)(const MicroArgs&);

template <class Dot, int NV, int P>
constexpr MicroFunction oneRow() {
  if constexpr (P <= maxPixels(Dot::Vector::kRegisters, NV) &&
                (!isMatched<Dot>() || NV <= kMaxMatchedVectors))
    return &MicroKernel<Dot, 1, P, NV>::run;
  return nullptr;
}

template <class Dot, int NV, int P>
constexpr MicroFunction twoRows() {
  if constexpr (!isMatched<Dot>() && NV >= 2 && 2 * P <= maxPixels(Dot::Vector::kRegisters, NV)) {
    return &MicroKernel<Dot, 2, P, NV>::run;
  }
  return nullptr;
}

// The kernels of one number of vectors, by pixels - 1.
template <class Dot, int NV>
struct MicroTable {
  static constexpr MicroFunction kOneRow[] = {
      oneRow<Dot, NV, 1>(),  oneRow<Dot, NV, 2>(),  oneRow<Dot, NV, 3>(),  oneRow<Dot, NV, 4>(),
      oneRow<Dot, NV, 5>(),  oneRow<Dot, NV, 6>(),  oneRow<Dot, NV, 7>(),  oneRow<Dot, NV, 8>(),
      oneRow<Dot, NV, 9>(),  oneRow<Dot, NV, 10>(), oneRow<Dot, NV, 11>(), oneRow<Dot, NV, 12>(),
      oneRow<Dot, NV, 13>(), oneRow<Dot, NV, 14>()};
  static constexpr MicroFunction kTwoRows[] = {
      twoRows<Dot, NV, 1>(), twoRows<Dot, NV, 2>(), twoRows<Dot, NV, 3>(), twoRows<Dot, NV, 4>(),
      twoRows<Dot, NV, 5>(), twoRows<Dot, NV, 6>(), twoRows<Dot, NV, 7>()};
};

template <class V, class Dot = FloatDot<V>>
LW_INLINE MicroFunction microKernel(int rows, int pixels, int vectors) {
  switch (vectors) {
    case 1:
      return MicroTable<Dot, 1>::kOneRow[pixels - 1];
    case 2:
      return rows == 2 ? MicroTable<Dot, 2>::kTwoRows[pixels - 1]
                       : MicroTable<Dot, 2>::kOneRow[pixels - 1];
    case 3:
      return rows == 2 ? MicroTable<Dot, 3>::kTwoRows[pixels - 1]
                       : MicroTable<Dot, 3>::kOneRow[pixels - 1];
    default:
      return rows == 2 ? MicroTable<Dot, 4>::kTwoRows[pixels - 1]
                       : MicroTable<Dot, 4>::kOneRow[pixels - 1];
  }
}

}  // namespace
}  // namespace layerwise::cpu
