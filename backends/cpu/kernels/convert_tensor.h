#pragma once

#include "backends/cpu/kernels/convert.h"
#include "backends/cpu/tensor_ops.h"

namespace layerwise::cpu {
namespace {

// Reads and writes a vector of elements as numbers, or bytes that stay bytes as themselves.
template <class V, Element from, Element to>
struct Converter {
  using Reg = typename V::Reg;
  using From = typename ElementType<from>::Type;
  using To = typename ElementType<to>::Type;
  static constexpr bool kDequantize = from == Element::kUInt8 && to != Element::kUInt8;
  static constexpr bool kQuantize = to == Element::kUInt8 && from != Element::kUInt8;

  ResidualReader<V> reader;
  ResultWriter<V, to> writer;
  typename V::Index none;

  LW_INLINE explicit Converter(const Conversion& c) : reader(c), writer(c), none(V::setIndex(0)) {}

  // The first `lanes` of a vector. The source may be the caller's memory: nothing beyond is read.
  LW_INLINE Reg loadUpTo(const From* p, int64_t lanes) const {
    if (lanes >= V::kWidth) return load(p);
    if constexpr (from == Element::kFloat32) return V::loadFirst(p, static_cast<int>(lanes));
    From values[V::kWidth] = {};
    for (int64_t i = 0; i < lanes; ++i) values[i] = p[i];
    return load(values);
  }
  LW_INLINE Reg load(const From* p) const {
    if constexpr (kDequantize) {
      return reader(reinterpret_cast<const char*>(p), 0);
    } else if constexpr (from == Element::kUInt8) {
      return V::toFloat(V::loadBytes(p));
    } else {
      return V::load(p);
    }
  }
  LW_INLINE void store(To* p, Reg x, int64_t lanes) const {
    if constexpr (to == Element::kUInt8 && !kQuantize) {
      V::storeBytes(p, V::toInt(x), static_cast<int>(smaller(lanes, V::kWidth)));
    } else {
      writer(reinterpret_cast<char*>(p), 0, x, lanes);
    }
  }

  // Pictures: of three planes pixels of three bytes each. A pixel is written as a word, whose last
  // byte the next pixel's overwrites. Returns how many were: at least one is left.
  LW_INLINE int64_t interleaveThree(const float* in, int64_t plane, To* out, int64_t pixels) const {
    int64_t x = 0;
    for (; x + V::kWidth < pixels; x += V::kWidth) {
      const auto bytes = [&](int64_t c) { return writer.quantized(V::load(in + c * plane + x)); };
      int words[V::kWidth];
      V::storeIndex(words, V::addIndex(V::addIndex(bytes(0), V::template shiftLeft<8>(bytes(1))),
                                       V::template shiftLeft<16>(bytes(2))));
      LW_UNROLL for (int i = 0; i < V::kWidth; ++i) {
        __builtin_memcpy(out + 3 * (x + i), words + i, sizeof(int));
      }
    }
    return x;
  }

  // to[j * toStep + i] = from[i * fromStep + j] for i < count, j < lanes.
  LW_INLINE void transpose(const From* in, int64_t inStep, int64_t count, To* out, int64_t outStep,
                           int64_t lanes) const {
    Reg rows[V::kWidth];
    LW_UNROLL for (int i = 0; i < V::kWidth; ++i) {
      rows[i] = i < count ? loadUpTo(in + i * inStep, lanes) : V::zero();
    }
    transposeSquare<V>(rows);
    LW_UNROLL for (int j = 0; j < V::kWidth; ++j) {
      if (j < lanes) store(out + j * outStep, rows[j], count);
    }
  }
};

// One row of pixels.
template <class V, Element from, Element to>
void convertRow(const ConvertPlan& p, const void* input, void* output, int64_t tile) {
  using C = Converter<V, from, to>;
  Conversion conversion;
  conversion.residual = from;
  conversion.residualZero = conversion.outputZero = p.zero;
  conversion.residualScale = conversion.outputInverse = p.factor;
  const C convert(conversion);
  const int64_t image = tile / p.h, y = tile % p.h;
  const auto* in = static_cast<const typename C::From*>(input) + image * p.in.image + y * p.in.row;
  auto* out = static_cast<typename C::To*>(output) + image * p.out.image + y * p.out.row;
  const bool channelsIn = p.in.channel == 1, channelsOut = p.out.channel == 1;
  if (channelsIn == channelsOut) {
    // Along what is contiguous on both sides; a row of dense pixels is one run.
    const bool dense = channelsIn && p.in.pixel == p.c && p.out.pixel == p.c;
    const int64_t runs = dense ? 1 : channelsIn ? p.w : p.c;
    const int64_t length = dense ? p.w * p.c : channelsIn ? p.c : p.w;
    const int64_t inStep = channelsIn ? p.in.pixel : p.in.channel;
    const int64_t outStep = channelsIn ? p.out.pixel : p.out.channel;
    for (int64_t run = 0; run < runs; ++run) {
      for (int64_t i = 0; i < length; i += V::kWidth) {
        convert.store(out + run * outStep + i, convert.loadUpTo(in + run * inStep + i, length - i),
                      length - i);
      }
    }
    return;
  }
  int64_t done = 0;
  if constexpr (from == Element::kFloat32 && to == Element::kUInt8) {
    if (channelsOut && p.c == 3 && p.out.pixel == 3 && p.in.pixel == 1) {
      done = convert.interleaveThree(in, p.in.channel, out, p.w);
    }
  }
  for (int64_t c = 0; c < p.c; c += V::kWidth) {
    for (int64_t x = done; x < p.w; x += V::kWidth) {
      if (channelsOut) {
        convert.transpose(in + c * p.in.channel + x, p.in.channel, p.c - c,
                          out + x * p.out.pixel + c, p.out.pixel, p.w - x);
      } else {
        convert.transpose(in + x * p.in.pixel + c, p.in.pixel, p.w - x, out + c * p.out.channel + x,
                          p.out.channel, p.c - c);
      }
    }
  }
}

template <class V>
void convertTile(const ConvertPlan& p, const void* in, void* out, int64_t tile) {
  constexpr Element kFloat = Element::kFloat32, kBrain = Element::kBFloat16;
  constexpr Element kBytes = Element::kUInt8;
  const auto is = [&](Element from, Element to) { return p.from == from && p.to == to; };
  if (is(kFloat, kFloat)) return convertRow<V, kFloat, kFloat>(p, in, out, tile);
  if (is(kFloat, kBrain)) return convertRow<V, kFloat, kBrain>(p, in, out, tile);
  if (is(kBrain, kFloat)) return convertRow<V, kBrain, kFloat>(p, in, out, tile);
  if (is(kBrain, kBrain)) return convertRow<V, kBrain, kBrain>(p, in, out, tile);
  if (is(kFloat, kBytes)) return convertRow<V, kFloat, kBytes>(p, in, out, tile);
  if (is(kBytes, kFloat)) return convertRow<V, kBytes, kFloat>(p, in, out, tile);
  convertRow<V, kBytes, kBytes>(p, in, out, tile);
}

}  // namespace
}  // namespace layerwise::cpu
