#pragma once

#include <type_traits>

#include "backends/cpu/conv_geometry.h"
#include "backends/cpu/kernels/finish.h"
#include "backends/cpu/tensor_ops.h"

namespace layerwise::cpu {
namespace {

// The taps of a window that are inside the input.
struct TapRange {
  int64_t first, last;
};
LW_INLINE TapRange tapsInside(int64_t start, int64_t count, int64_t size) {
  const int64_t first = start < 0 ? -start : 0, last = smaller(count, size - start);
  return {first, last > first ? last : first};
}

// T is float, or uint16_t for bfloat16.
template <class V, class T>
struct Pool {
  using Reg = typename V::Reg;

  // One row of the output.
  template <bool isMax>
  static void row(const PoolPlan& p, const T* in, T* out, int64_t y) {
    const int64_t y0 = y * p.sh - p.pt;
    const TapRange ky = tapsInside(y0, p.kh, p.h);
    const int64_t paddedRows = smaller(p.kh, p.h + p.pb - y0);
    for (int64_t x = 0; x < p.outW; ++x, out += p.out.pixel) {
      const int64_t x0 = x * p.sw - p.pl;
      const TapRange kx = tapsInside(x0, p.kw, p.w);
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
  static LW_INLINE void channels(const PoolPlan& p, const T* window, T* out, TapRange ky,
                                 TapRange kx, Reg factor, int64_t lastLanes) {
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

// Vectors of whole numbers, of as many bytes as a V. (GCC takes no dependent sizes.)
template <int bytes>
struct WholeNumbers;
template <>
struct WholeNumbers<32> {
  using Bytes = uint8_t __attribute__((vector_size(32)));
  using Shorts = uint16_t __attribute__((vector_size(32)));
  using SignedShorts = int16_t __attribute__((vector_size(32)));
};
template <>
struct WholeNumbers<64> {
  using Bytes = uint8_t __attribute__((vector_size(64)));
  using Shorts = uint16_t __attribute__((vector_size(64)));
  using SignedShorts = int16_t __attribute__((vector_size(64)));
};

// The largest of vectors of T, in whole numbers: bytes as they are, and bfloat16 where no number
// has a sign: NaN come after infinity.
template <class V, class T, bool nonNegative>
struct Largest {
  static_assert(sizeof(T) == 1 || nonNegative);
  using Whole = WholeNumbers<V::kWidth * 4>;
  using Block = std::conditional_t<sizeof(T) == 1, typename Whole::Bytes, typename Whole::Shorts>;
  Block top = {};

  LW_INLINE void take(Block x) { take(Largest{x}); }
  LW_INLINE void take(const Largest& x) { top = x.top > top ? x.top : top; }
  LW_INLINE Block value() const { return top; }
};
// bfloat16: whole numbers from 0 that stand for the values in their order. 0 is -infinity; NaN of
// either sign come after infinity.
template <class V>
struct Largest<V, uint16_t, false> {
  using Whole = WholeNumbers<V::kWidth * 4>;
  using Block = typename Whole::Shorts;
  static constexpr uint16_t kLeast = 0x807f;
  Block top = {};

  LW_INLINE void take(Block x) { take(Largest{static_cast<Block>(turned(x) - kLeast)}); }
  LW_INLINE void take(const Largest& x) { top = x.top > top ? x.top : top; }
  LW_INLINE Block value() const { return turned(top + kLeast); }
  // Between sign with magnitude and two's complement.
  static LW_INLINE Block turned(Block x) {
    using Signed = typename Whole::SignedShorts;
    const Signed sign = reinterpret_cast<Signed>(x) >> 15;
    return x ^ (reinterpret_cast<Block>(sign) & 0x7fff);
  }
};
// Several times as many whole numbers a vector as float32.
template <class V, class T, bool nonNegative>
struct PoolLargestOf {
  using Top = Largest<V, T, nonNegative>;
  using Block = typename Top::Block;
  static constexpr int64_t kBlock = sizeof(Block) / sizeof(T);

  template <int blocks>
  struct Tops {
    Top top[blocks];
    LW_INLINE void take(const Tops& x) {
      LW_UNROLL for (int i = 0; i < blocks; ++i) top[i].take(x.top[i]);
    }
    // Of the last block `count` channels.
    LW_INLINE void store(T* out, int64_t count) const {
      LW_UNROLL for (int i = 0; i < blocks; ++i) {
        const Block values = top[i].value();
        const int64_t n = i + 1 < blocks ? kBlock : smaller(kBlock, count);
        if (n == kBlock) {
          __builtin_memcpy(out + i * kBlock, &values, sizeof values);
        } else {
          __builtin_memcpy(out + i * kBlock, &values, static_cast<size_t>(n) * sizeof(T));
        }
      }
    }
  };

  // `blocks` of channels of one column of a window.
  template <int blocks>
  static LW_INLINE Tops<blocks> column(const PoolPlan& p, const T* from, int64_t rows) {
    Tops<blocks> tops;
    const auto tap = [&](const T* pixel) __attribute__((always_inline)) {
      LW_UNROLL for (int i = 0; i < blocks; ++i) {
        Block values;
        __builtin_memcpy(&values, pixel + i * kBlock, sizeof values);
        tops.top[i].take(values);
      }
    };
    if (rows == 3) {
      LW_UNROLL for (int i = 0; i < 3; ++i) tap(from + i * p.in.row);
    } else {
      for (int64_t i = 0; i < rows; ++i) tap(from + i * p.in.row);
    }
    return tops;
  }

  // One row, for `blocks` of channels, of the last one `count`. The last column of a window is the
  // first of the next where they share one.
  template <int blocks>
  static LW_INLINE void pixels(const PoolPlan& p, const T* in, T* out, int64_t rows,
                               int64_t count) {
    Tops<blocks> last;
    int64_t next = -1;  // the column after the one that `last` is of
    for (int64_t x = 0; x < p.outW; ++x) {
      const int64_t x0 = x * p.sw - p.pl;
      const TapRange kx = tapsInside(x0, p.kw, p.w);
      int64_t j = x0 + kx.first;
      Tops<blocks> tops;
      if (j + 1 == next) {
        tops = last;
        ++j;
      }
      for (next = x0 + kx.last; j < next; ++j) {
        last = column<blocks>(p, in + j * p.in.pixel, rows);
        tops.take(last);
      }
      tops.store(out + x * p.out.pixel, count);
    }
  }

  // One row of the output.
  static void run(const PoolPlan& p, const void* input, void* output, int64_t tile) {
    const int64_t image = tile / p.outH, y = tile % p.outH, y0 = y * p.sh - p.pt;
    const TapRange ky = tapsInside(y0, p.kh, p.h);
    const T* in = static_cast<const T*>(input) + image * p.in.image + (y0 + ky.first) * p.in.row;
    T* out = static_cast<T*>(output) + image * p.out.image + y * p.out.row;
    const int64_t rows = ky.last - ky.first;
    int64_t c = 0;
    for (; c + 2 * kBlock <= p.c; c += 2 * kBlock) {
      pixels<2>(p, in + c, out + c, rows, kBlock);
    }
    for (; c < p.c; c += kBlock) pixels<1>(p, in + c, out + c, rows, p.c - c);
  }
};

template <class V, class T>
struct PoolLargest {
  static void run(const PoolPlan& p, const void* input, void* output, int64_t tile) {
    constexpr bool kHasSign = sizeof(T) > 1;
    if (kHasSign && p.nonNegative) {
      PoolLargestOf<V, T, kHasSign>::run(p, input, output, tile);
    } else {
      PoolLargestOf<V, T, false>::run(p, input, output, tile);
    }
  }
};

template <class V>
void poolBFloat16Tile(const PoolPlan& p, const void* input, void* output, int64_t tile) {
  if (p.kind == PoolKind::kMax) {
    PoolLargest<V, uint16_t>::run(p, input, output, tile);
  } else {
    Pool<V, uint16_t>::run(p, input, output, tile);
  }
}

}  // namespace
}  // namespace layerwise::cpu
