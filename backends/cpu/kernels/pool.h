#pragma once

#include "backends/cpu/conv_geometry.h"
#include "backends/cpu/kernels/finish.h"
#include "backends/cpu/tensor_ops.h"

namespace layerwise::cpu {
namespace {

// T is float, or uint16_t for bfloat16.
template <class V, class T>
struct Pool {
  using Reg = typename V::Reg;

  struct Range {
    int64_t first, last;
  };
  static LW_INLINE Range inside(int64_t start, int64_t count, int64_t size) {
    const int64_t first = start < 0 ? -start : 0, last = smaller(count, size - start);
    return {first, last > first ? last : first};
  }

  // One row of the output.
  template <bool isMax>
  static void row(const PoolPlan& p, const T* in, T* out, int64_t y) {
    const int64_t y0 = y * p.sh - p.pt;
    const Range ky = inside(y0, p.kh, p.h);
    const int64_t paddedRows = smaller(p.kh, p.h + p.pb - y0);
    for (int64_t x = 0; x < p.outW; ++x, out += p.out.pixel) {
      const int64_t x0 = x * p.sw - p.pl;
      const Range kx = inside(x0, p.kw, p.w);
      int64_t count = (ky.last - ky.first) * (kx.last - kx.first);
      if (p.kind == PoolKind::kAverageWithZeros) {
        count = paddedRows * smaller(p.kw, p.w + p.pr - x0);
      }
      const Reg factor = V::set1(count > 0 ? 1.0f / static_cast<float>(count) : 0.0f);
      const T* window = in + y0 * p.in.row + x0 * p.in.pixel;
      int64_t c = 0;
      for (; c + 4 * V::kWidth <= p.c; c += 4 * V::kWidth) {
        channels<isMax, 4>(p, window + c, out + c, ky, kx, factor, V::kWidth);
      }
      for (; c < p.c; c += V::kWidth) {
        channels<isMax, 1>(p, window + c, out + c, ky, kx, factor, p.c - c);
      }
    }
  }

  template <bool isMax, int NV>
  static LW_INLINE void channels(const PoolPlan& p, const T* window, T* out, Range ky, Range kx,
                                 Reg factor, int64_t lastLanes) {
    Reg acc[NV];
    LW_UNROLL for (int i = 0; i < NV; ++i) acc[i] = isMax ? V::set1(-__builtin_inff()) : V::zero();
    for (int64_t i = ky.first; i < ky.last; ++i) {
      const T* from = window + i * p.in.row + kx.first * p.in.pixel;
      for (int64_t j = kx.first; j < kx.last; ++j, from += p.in.pixel) {
        LW_UNROLL for (int v = 0; v < NV; ++v) {
          const Reg x = V::load(from + v * V::kWidth);
          acc[v] = isMax ? maxOrNan(acc[v], x) : V::add(acc[v], x);
        }
      }
    }
    LW_UNROLL for (int v = 0; v < NV; ++v) {
      const Reg x = isMax ? acc[v] : V::mul(acc[v], factor);
      storeUpTo<V>(out + v * V::kWidth, x, v + 1 < NV ? V::kWidth : lastLanes);
    }
  }

  // NaN in either gives NaN: V::max gives its second operand then, and a NaN gathered before is
  // kept.
  static LW_INLINE Reg maxOrNan(Reg a, Reg x) { return V::selectNan(a, a, V::max(a, x)); }

  static void run(const PoolPlan& p, const void* input, void* output, int64_t tile) {
    const int64_t image = tile / p.outH, y = tile % p.outH;
    const T* in = static_cast<const T*>(input) + image * p.in.image;
    T* out = static_cast<T*>(output) + image * p.out.image + y * p.out.row;
    if (p.kind == PoolKind::kMax) {
      row<true>(p, in, out, y);
    } else {
      row<false>(p, in, out, y);
    }
  }
};

// Four partial sums a channel, pixels dealt to them in turn: the order does not depend on the
// partition.
template <class V, class T>
void globalAverageTile(const GlobalPoolPlan& p, const void* input, void* output, int64_t tile) {
  using Reg = typename V::Reg;
  const T* in = static_cast<const T*>(input);
  float* out = static_cast<float*>(output);
  const int64_t image = tile / p.blocks, block = tile % p.blocks;
  const int64_t vectors = divideUp(p.c, V::kWidth);
  const int64_t first = block * vectors / p.blocks * V::kWidth;
  const int64_t last = (block + 1) * vectors / p.blocks * V::kWidth;
  const Reg factor = V::set1(1.0f / static_cast<float>(p.h * p.w));
  for (int64_t c = first; c < last; c += V::kWidth) {
    Reg acc[4] = {V::zero(), V::zero(), V::zero(), V::zero()};
    for (int64_t y = 0; y < p.h; ++y) {
      const T* from = in + image * p.in.image + y * p.in.row + c;
      int64_t x = 0;
      for (; x + 4 <= p.w; x += 4, from += 4 * p.in.pixel) {
        LW_UNROLL for (int i = 0; i < 4; ++i) {
          acc[i] = V::add(acc[i], V::load(from + i * p.in.pixel));
        }
      }
      for (; x < p.w; ++x, from += p.in.pixel) acc[0] = V::add(acc[0], V::load(from));
    }
    const Reg sum = V::add(V::add(acc[0], acc[1]), V::add(acc[2], acc[3]));
    storeUpTo<V>(out + image * p.out.image + c, V::mul(sum, factor), p.c - c);
  }
}

// The largest of bytes; loops of a fixed length that the compiler vectorises.
inline void poolBytesTile(const PoolPlan& p, const void* input, void* output, int64_t tile) {
  constexpr int kBlock = 64;
  const int64_t image = tile / p.outH, y = tile % p.outH;
  const uint8_t* in = static_cast<const uint8_t*>(input) + image * p.in.image;
  uint8_t* out = static_cast<uint8_t*>(output) + image * p.out.image + y * p.out.row;
  const int64_t y0 = y * p.sh - p.pt;
  for (int64_t x = 0; x < p.outW; ++x, out += p.out.pixel) {
    const int64_t x0 = x * p.sw - p.pl;
    for (int64_t c = 0; c < p.c; c += kBlock) {
      uint8_t top[kBlock] = {};
      for (int64_t ky = 0; ky < p.kh; ++ky) {
        for (int64_t kx = 0; kx < p.kw; ++kx) {
          if (y0 + ky < 0 || y0 + ky >= p.h || x0 + kx < 0 || x0 + kx >= p.w) continue;
          const uint8_t* from = in + (y0 + ky) * p.in.row + (x0 + kx) * p.in.pixel + c;
          for (int i = 0; i < kBlock; ++i) top[i] = from[i] > top[i] ? from[i] : top[i];
        }
      }
      __builtin_memcpy(out + c, top, static_cast<size_t>(smaller(kBlock, p.c - c)));
    }
  }
}

}  // namespace
}  // namespace layerwise::cpu
