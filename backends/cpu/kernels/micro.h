#pragma once

#include <cstdint>

#include "backends/cpu/conv_geometry.h"
#include "backends/cpu/simd/inline.h"

namespace layerwise::cpu {
namespace {

// Arguments of the microkernel
//   c[r][p][:] = clip(bias + sum over ky, kx, k of a[r][p][ky, kx, k] * b[ky, kx, k][:] +
//   residual[r][p][:])
// Steps of a are in bytes, those of c and residual in floats.
struct MicroArgs {
  const float* a;
  int64_t aPixel, aRow;  // between the tile's pixels, and between its rows
  int64_t aKernelRow, aKernelColumn;
  int64_t kernelRows, kernelColumns, depth;
  const float* bias;
  const float* b;  // kernelRows * kernelColumns * depth rows of NV vectors
  float* c;
  int64_t cPixel, cRow;
  const float* residual;  // or null
  int64_t residualPixel, residualRow;
  float low, high;
  int lastLanes;  // lanes of the last vector to store
};

// The pixels of a row are addressed as base, + s, + 2s, + 3s, + 4s: x86 forms each address in the
// load itself, and a tile of fourteen needs three bases instead of fourteen pointers.
constexpr int kPixelsPerBase = 5;

template <int index>
LW_INLINE const float* pixelAddress(const char* base, int64_t step, int64_t step3) {
  static_assert(index < kPixelsPerBase);
  if constexpr (index == 0) return reinterpret_cast<const float*>(base);
  if constexpr (index == 1) return reinterpret_cast<const float*>(base + step);
  if constexpr (index == 2) return reinterpret_cast<const float*>(base + 2 * step);
  if constexpr (index == 3) return reinterpret_cast<const float*>(base + step3);
  return reinterpret_cast<const float*>(base + 4 * step);
}

template <class V, int R, int P, int NV>
struct MicroKernel {
  using Reg = typename V::Reg;
  static constexpr int kBases = (P + kPixelsPerBase - 1) / kPixelsPerBase;

  template <int r, int p>
  static LW_INLINE void pixelStep(Reg (&acc)[R][P][NV], const Reg (&b)[NV],
                                  const char* const (&bases)[R][kBases], int64_t step,
                                  int64_t step3, int k) {
    const Reg x =
        V::set1(pixelAddress<p % kPixelsPerBase>(bases[r][p / kPixelsPerBase], step, step3)[k]);
    LW_UNROLL for (int n = 0; n < NV; ++n) acc[r][p][n] = V::fma(x, b[n], acc[r][p][n]);
    if constexpr (p + 1 < P) {
      pixelStep<r, p + 1>(acc, b, bases, step, step3, k);
    } else if constexpr (r + 1 < R) {
      pixelStep<r + 1, 0>(acc, b, bases, step, step3, k);
    }
  }

  // One value of k for all pixels.
  static LW_INLINE void depthStep(Reg (&acc)[R][P][NV], const char* const (&bases)[R][kBases],
                                  int64_t step, int64_t step3, const float* weights, int k) {
    Reg b[NV];
    LW_UNROLL for (int n = 0; n < NV; ++n) b[n] = V::load(weights + (k * NV + n) * V::kWidth);
    pixelStep<0, 0>(acc, b, bases, step, step3, k);
  }

  static void run(const MicroArgs& args) {
    constexpr int kUnroll = 4;
    Reg acc[R][P][NV];
    LW_UNROLL for (int n = 0; n < NV; ++n) {
      const Reg bias = V::load(args.bias + n * V::kWidth);
      LW_UNROLL for (int r = 0; r < R; ++r) {
        LW_UNROLL for (int p = 0; p < P; ++p) acc[r][p][n] = bias;
      }
    }
    const float* b = args.b;
    const char* rowStart = reinterpret_cast<const char*>(args.a);
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
          opaque(bases, step, step3);
          LW_UNROLL for (int u = 0; u < kUnroll; ++u) depthStep(acc, bases, step, step3, b, u);
          advance(bases, kUnroll);
          b += kUnroll * NV * V::kWidth;
        }
        for (; k > 0; --k) {
          opaque(bases, step, step3);
          depthStep(acc, bases, step, step3, b, 0);
          advance(bases, 1);
          b += NV * V::kWidth;
        }
      }
    }
    storeTile(acc, args);
  }

  // Without this the compiler keeps a pointer per pixel, more than there are registers.
  static LW_INLINE void opaque(const char* (&bases)[R][kBases], int64_t& step, int64_t& step3) {
    LW_UNROLL for (int r = 0; r < R; ++r) {
      LW_UNROLL for (int i = 0; i < kBases; ++i) __asm__("" : "+r"(bases[r][i]));
    }
    __asm__("" : "+r"(step), "+r"(step3));
  }

  static LW_INLINE void advance(const char* (&bases)[R][kBases], int floats) {
    LW_UNROLL for (int r = 0; r < R; ++r) {
      LW_UNROLL for (int i = 0; i < kBases; ++i) bases[r][i] += floats * sizeof(float);
    }
  }

  static LW_INLINE void storeTile(Reg (&acc)[R][P][NV], const MicroArgs& args) {
    if (args.residual) {
      LW_UNROLL for (int r = 0; r < R; ++r) {
        const float* residual = args.residual + r * args.residualRow;
        LW_UNROLL for (int p = 0; p < P; ++p, residual += args.residualPixel) {
          LW_UNROLL for (int n = 0; n < NV; ++n) {
            acc[r][p][n] = V::add(acc[r][p][n], V::load(residual + n * V::kWidth));
          }
        }
      }
    }
    const Reg low = V::set1(args.low), high = V::set1(args.high);
    const bool whole = args.lastLanes == V::kWidth;
    LW_UNROLL for (int r = 0; r < R; ++r) {
      float* c = args.c + r * args.cRow;
      LW_UNROLL for (int p = 0; p < P; ++p, c += args.cPixel) {
        LW_UNROLL for (int n = 0; n < NV; ++n) {
          const Reg x = V::min(high, V::max(low, acc[r][p][n]));
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

template <class V, int NV, int P>
constexpr MicroFunction oneRow() {
  if constexpr (P <= maxPixels(V::kRegisters, NV)) return &MicroKernel<V, 1, P, NV>::run;
  return nullptr;
}

template <class V, int NV, int P>
constexpr MicroFunction twoRows() {
  if constexpr (NV >= 2 && 2 * P <= maxPixels(V::kRegisters, NV)) {
    return &MicroKernel<V, 2, P, NV>::run;
  }
  return nullptr;
}

// The kernels of one number of vectors, by pixels - 1.
template <class V, int NV>
struct MicroTable {
  static constexpr MicroFunction kOneRow[] = {
      oneRow<V, NV, 1>(),  oneRow<V, NV, 2>(),  oneRow<V, NV, 3>(),  oneRow<V, NV, 4>(),
      oneRow<V, NV, 5>(),  oneRow<V, NV, 6>(),  oneRow<V, NV, 7>(),  oneRow<V, NV, 8>(),
      oneRow<V, NV, 9>(),  oneRow<V, NV, 10>(), oneRow<V, NV, 11>(), oneRow<V, NV, 12>(),
      oneRow<V, NV, 13>(), oneRow<V, NV, 14>()};
  static constexpr MicroFunction kTwoRows[] = {
      twoRows<V, NV, 1>(), twoRows<V, NV, 2>(), twoRows<V, NV, 3>(), twoRows<V, NV, 4>(),
      twoRows<V, NV, 5>(), twoRows<V, NV, 6>(), twoRows<V, NV, 7>()};
};

template <class V>
LW_INLINE MicroFunction microKernel(int rows, int pixels, int vectors) {
  switch (vectors) {
    case 1:
      return MicroTable<V, 1>::kOneRow[pixels - 1];
    case 2:
      return rows == 2 ? MicroTable<V, 2>::kTwoRows[pixels - 1]
                       : MicroTable<V, 2>::kOneRow[pixels - 1];
    case 3:
      return rows == 2 ? MicroTable<V, 3>::kTwoRows[pixels - 1]
                       : MicroTable<V, 3>::kOneRow[pixels - 1];
    default:
      return rows == 2 ? MicroTable<V, 4>::kTwoRows[pixels - 1]
                       : MicroTable<V, 4>::kOneRow[pixels - 1];
  }
}

}  // namespace
}  // namespace layerwise::cpu
