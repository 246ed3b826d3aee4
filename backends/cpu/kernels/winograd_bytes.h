#pragma once

#include "backends/cpu/kernels/byte_results.h"
#include "backends/cpu/kernels/convert.h"
#include "backends/cpu/kernels/winograd_unit.h"
#include "backends/cpu/winograd_integers.h"

namespace layerwise::cpu {
namespace {

// The transforms that belong to winograd_integers.h: of the input in 16 bits, of the output in 32.
template <class V, int m>
struct IntegerTransform;

template <class V>
struct IntegerTransform<V, 2> {
  using Index = typename V::Index;
  static LW_INLINE void input(const Index (&d)[4], Index (&t)[4]) {
    t[0] = V::subShorts(d[0], d[2]);
    t[1] = V::addShorts(d[1], d[2]);
    t[2] = V::subShorts(d[2], d[1]);
    t[3] = V::subShorts(d[3], d[1]);
  }
  static LW_INLINE void output(const Index (&t)[4], Index (&y)[2]) {
    y[0] = V::addIndex(V::addIndex(t[0], t[1]), t[2]);
    y[1] = V::addIndex(V::subIndex(t[1], t[2]), t[3]);
  }
};

template <class V>
struct IntegerTransform<V, 4> {
  using Index = typename V::Index;
  static LW_INLINE void input(const Index (&d)[6], Index (&t)[6]) {
    const Index even = V::subShorts(d[4], V::template shiftShorts<2>(d[2]));
    const Index odd = V::subShorts(d[3], V::template shiftShorts<2>(d[1]));
    const Index even2 = V::subShorts(d[4], d[2]);
    const Index odd2 = V::template shiftShorts<1>(V::subShorts(d[3], d[1]));
    t[0] = V::addShorts(V::template shiftShorts<2>(d[0]), V::subShorts(even, d[2]));
    t[1] = V::addShorts(even, odd);
    t[2] = V::subShorts(even, odd);
    t[3] = V::addShorts(even2, odd2);
    t[4] = V::subShorts(even2, odd2);
    t[5] = V::subShorts(V::subShorts(d[5], d[3]), V::template shiftShorts<1>(odd2));
  }
  static LW_INLINE void output(const Index (&t)[6], Index (&y)[4]) {
    const Index even = V::addIndex(t[1], t[2]), odd = V::subIndex(t[1], t[2]);
    const Index even2 = V::addIndex(t[3], t[4]), odd2 = V::subIndex(t[3], t[4]);
    y[0] = V::addIndex(V::addIndex(t[0], even), even2);
    y[1] = V::addIndex(odd, V::template shiftLeft<1>(odd2));
    y[2] = V::addIndex(even, V::template shiftLeft<2>(even2));
    y[3] = V::addIndex(odd,
                       V::template shiftLeft<2>(V::addIndex(V::template shiftLeft<1>(odd2), t[5])));
  }
};

// Bytes by Winograd, to the bit. Dot multiplies 16-bit integers.
template <class Dot, int m>
struct WinogradBytes {
  using V = typename Dot::Vector;
  using Index = typename V::Index;
  using Integers = WinogradIntegers<m>;
  using Transform = IntegerTransform<V, m>;
  using Unit = WinogradUnit<Dot, m>;
  static constexpr int kPoints = Unit::kPoints;

  // Lanes beyond the channels may hold anything: their weights are zeros, or none.
  static void transformInput(const ConvPlan& p, const uint8_t* in, const WinogradPosition& at,
                             float* transformed) {
    const ConvShape& s = p.shape;
    const int64_t y0 = at.y - s.pt, x0 = at.x - s.pl;
    const uint8_t* patch = in + at.image * p.in.image + y0 * p.in.row + x0 * p.in.pixel;
    const bool inside = y0 >= 0 && x0 >= 0 && y0 + kPoints <= s.h && x0 + kPoints <= s.w;
    const Index border = V::setShorts(p.conversion.inputZero);
    for (int64_t word = 0; word < p.depth; word += V::kWidth) {
      Index rows[kPoints][kPoints];
      LW_UNROLL for (int j = 0; j < kPoints; ++j) {
        Index column[kPoints], t[kPoints];
        LW_UNROLL for (int i = 0; i < kPoints; ++i) {
          const bool exists =
              inside || (y0 + i >= 0 && y0 + i < s.h && x0 + j >= 0 && x0 + j < s.w);
          column[i] =
              exists ? V::loadShorts(patch + i * p.in.row + j * p.in.pixel + 2 * word) : border;
        }
        Transform::input(column, t);
        LW_UNROLL for (int i = 0; i < kPoints; ++i) rows[i][j] = t[i];
      }
      LW_UNROLL for (int i = 0; i < kPoints; ++i) {
        Index t[kPoints];
        Transform::input(rows[i], t);
        LW_UNROLL for (int j = 0; j < kPoints; ++j) {
          V::storeIndex(transformed + (i * kPoints + j) * p.elementFloats + word, t[j]);
        }
      }
    }
  }

  // The sums of one block of channels: sum(y, x, channel, of a vector) takes them.
  template <class Sum>
  static LW_INLINE void transformOutput(const typename Unit::Block& block, const float* products,
                                        int64_t step, const Sum& sum) {
    const float* const start = block.header + 2 * block.lanes;
    for (int64_t c = 0; c < block.channels; c += V::kWidth) {
      Index rows[m][kPoints];
      LW_UNROLL for (int j = 0; j < kPoints; ++j) {
        Index column[kPoints], y[m];
        LW_UNROLL for (int i = 0; i < kPoints; ++i) {
          column[i] =
              V::loadIndex(reinterpret_cast<const int*>(products + (i * kPoints + j) * step + c));
        }
        Transform::output(column, y);
        LW_UNROLL for (int i = 0; i < m; ++i) rows[i][j] = y[i];
      }
      const Index first = V::loadIndex(reinterpret_cast<const int*>(start + c));
      LW_UNROLL for (int i = 0; i < m; ++i) {
        Index y[m];
        Transform::output(rows[i], y);
        LW_UNROLL for (int j = 0; j < m; ++j) sum(i, j, c, V::addIndex(divided(y[j]), first));
      }
    }
  }

  static LW_INLINE Index divided(Index y) {
    if constexpr (Integers::kInverse != 1) {
      y = V::mulIndex(y, V::setIndex(static_cast<int>(Integers::kInverse)));
    }
    return V::template shiftRight<Integers::kShift>(y);
  }

  static void run(const ConvPlan& p, const TypedConvBuffers& io, int64_t index, float* scratch) {
    const auto input = [&](const WinogradPosition& at, float* to) {
      transformInput(p, static_cast<const uint8_t*>(io.in), at, to);
    };
    const int64_t outBytes = elementBytes(p.conversion.output);
    const int64_t residualBytes = elementBytes(p.conversion.residual);
    const bool residual = p.epilogue.residual != ResidualPlace::kNone;
    const auto output = [&](const typename Unit::Block& block, const WinogradPosition& at,
                            const float* products, int64_t step) {
      const int64_t height = smaller(m, p.outH - at.y), width = smaller(m, p.outW - at.x);
      char* const out =
          static_cast<char*>(io.out) + (offset(p.out, at) + block.firstOut) * outBytes;
      const float *scale = block.header, *bias = block.header + block.lanes;
      const char* from = residual ? static_cast<const char*>(io.residual) +
                                        (offset(p.residual, at) + block.firstOut) * residualBytes
                                  : nullptr;
      if (storesBytes(p)) {
        const ByteWriter<V> write(byteResults(p.epilogue, p.conversion, scale, bias));
        transformOutput(block, products, step, [&](int y, int x, int64_t c, Index sums) {
          if (y >= height || x >= width) return;
          auto* to = reinterpret_cast<uint8_t*>(out) + y * p.out.row + x * p.out.pixel + c;
          const auto lanes = static_cast<int>(block.channels - c);
          if (from) {
            write(to, sums, V::load(scale + c), V::load(bias + c), lanes,
                  reinterpret_cast<const uint8_t*>(from) + y * p.residual.row +
                      x * p.residual.pixel + c);
          } else {
            write(to, sums, V::load(scale + c), V::load(bias + c), lanes);
          }
        });
        return;
      }
      float* const tile = scratch;
      transformOutput(block, products, step, [&](int y, int x, int64_t c, Index sums) {
        V::storeIndex(tile + (y * m + x) * block.lanes + c, sums);
      });
      for (int64_t y = 0; y < height; ++y) {
        writeReducedRow<V, Element::kUInt8>(
            p, tile + y * m * block.lanes, block.lanes, scale, bias,
            from ? from + y * p.residual.row * residualBytes : nullptr,
            out + y * p.out.row * outBytes, width, block.channels);
      }
    };
    Unit::run(p, static_cast<const float*>(io.packed), index, scratch + kTileFloats, input, output);
  }

  static LW_INLINE int64_t offset(const View& v, const WinogradPosition& at) {
    return at.image * v.image + at.y * v.row + at.x * v.pixel;
  }
};

}  // namespace
}  // namespace layerwise::cpu
