#pragma once

#include "backends/cpu/kernels/depthwise_rows.h"

namespace layerwise::cpu {
namespace {

// One channel a group, of bytes: a word holds some taps of a channel instead of neighbouring
// channels of a tap, so that the instructions of the direct kernel do. A block has as many channels
// as a vector has bytes; taps outside the image are read from a border of zero points.
template <class Dot>
struct Depthwise {
  using V = typename Dot::Vector;
  using Finish = DepthwiseResults<V>;
  static constexpr int kChannels = Finish::kChannels;

  const ConvPlan& p;
  const Finish& finish;
  const char* in;      // of the image, at the block's first channel
  const char* border;  // a vector of zero points
  const float* header;
  int channels;

  const char* tap(int64_t y, int64_t x) const {
    if (y < 0 || y >= p.shape.h || x < 0 || x >= p.shape.w) return border;
    return in + y * p.in.row + x * p.in.pixel;
  }

  // One output pixel, as float32 to `sums` or as bytes to `out`.
  void sum(int64_t y, int64_t x, float* sums, char* out) const {
    const ConvShape& s = p.shape;
    const int64_t y0 = y * s.sh - s.pt, x0 = x * s.sw - s.pl, words = depthwiseWords(s);
    typename Dot::Acc acc[4];
    start(acc);
    for (int64_t word = 0; word < words; ++word) {
      const char* from[4];
      LW_UNROLL for (int i = 0; i < 4; ++i) {
        const DepthwiseTap at = depthwiseTap(s, word, i);
        from[i] = at.exists ? tap(y0 + at.ky * s.dh, x0 + at.kx * s.dw) : border;
      }
      add(acc, from, word);
    }
    store(acc, sums, out);
  }

  // The same where no tap is outside: `offsets` are those of the taps from the first one.
  void sumInside(const char* first, const int64_t* offsets, int64_t words, float* sums,
                 char* out) const {
    typename Dot::Acc acc[4];
    start(acc);
    for (int64_t word = 0; word < words; ++word, offsets += 4) {
      const char* from[4];
      LW_UNROLL for (int i = 0; i < 4; ++i) from[i] = first + offsets[i];
      add(acc, from, word);
    }
    store(acc, sums, out);
  }

  LW_INLINE void start(typename Dot::Acc (&acc)[4]) const {
    const float* const from = header + 2 * kChannels;
    LW_UNROLL for (int j = 0; j < 4; ++j) acc[j] = Dot::start(from + j * V::kWidth);
  }

  LW_INLINE void add(typename Dot::Acc (&acc)[4], const char* const (&from)[4],
                     int64_t word) const {
    typename V::Index bytes[4], low[2], high[2], words[4];
    LW_UNROLL for (int i = 0; i < 4; ++i) {
      bytes[i] = V::loadIndex(reinterpret_cast<const int*>(from[i]));
    }
    V::interleaveBytes(bytes[0], bytes[1], low[0], low[1]);
    V::interleaveBytes(bytes[2], bytes[3], high[0], high[1]);
    interleaveShorts<V>(low, high, words);
    const float* const w = header + (3 + word) * kChannels;
    LW_UNROLL for (int j = 0; j < 4; ++j) {
      acc[j] = Dot::dot(acc[j], Dot::activations(words[j]), Dot::weights(w + j * V::kWidth));
    }
  }

  LW_INLINE void store(const typename Dot::Acc (&acc)[4], float* sums, char* out) const {
    typename V::Reg y[4];
    LW_UNROLL for (int j = 0; j < 4; ++j) {
      const float* const scale = header + j * V::kWidth;
      y[j] = V::exactFma(V::toFloat(acc[j]), V::load(scale), V::load(scale + kChannels));
    }
    if (finish.areBytes) {
      typename V::Index bytes[1] = {V::packShorts(V::packWords(V::toInt(y[0]), V::toInt(y[1])),
                                                  V::packWords(V::toInt(y[2]), V::toInt(y[3])))};
      finish.bytes.clamp(bytes);
      char* const to[1] = {out};
      V::storeParts(to, bytes[0], channels);
    } else {
      Finish::store(sums, y);
    }
  }
};

// Words that a kernel may have to have its taps' offsets computed once.
constexpr int64_t kMostOffsetWords = 16;

template <class Dot>
void convDepthwise(const ConvPlan& p, const TypedConvBuffers& io, int64_t index, float* scratch) {
  using D = Depthwise<Dot>;
  using V = typename Dot::Vector;
  constexpr int64_t kPixels = kTileFloats / D::kChannels;
  const ConvShape& s = p.shape;
  const DepthwiseUnit unit(p, io, unitAt(p.units, index));
  char* const border = reinterpret_cast<char*>(scratch + kTileFloats);
  __builtin_memset(border, p.conversion.inputZero, 64);
  if (isThreeByThree(s) && s.dh == 1 && s.dw == 1 && s.sh == s.sw && s.sh <= 2) {
    return (s.sh == 1 ? &convDepthwiseRows<Dot, 1> : &convDepthwiseRows<Dot, 2>)(unit, io, scratch,
                                                                                 border);
  }

  int64_t offsets[4 * kMostOffsetWords];
  const int64_t words = depthwiseWords(s);
  const bool precomputed = words <= kMostOffsetWords;
  for (int64_t i = 0; precomputed && i < 4 * words; ++i) {
    // Taps that fill up a word have zero weights: any one serves.
    const DepthwiseTap at = depthwiseTap(s, i / 4, i % 4);
    offsets[i] = at.exists ? at.ky * s.dh * p.in.row + at.kx * s.dw * p.in.pixel : 0;
  }
  const auto insideAt = [](int64_t at, int64_t reach, int64_t size) {
    return at >= 0 && at + reach < size;
  };

  const DepthwiseResults<V> finish(p);
  for (int64_t block = unit.firstBlock; block < unit.lastBlock; ++block) {
    const int64_t channel = block * D::kChannels, channels = smaller(s.co - channel, D::kChannels);
    const D work{p,
                 finish,
                 unit.in + channel,
                 border,
                 static_cast<const float*>(io.packed) + block * p.blockRows * D::kChannels,
                 static_cast<int>(channels)};
    for (int64_t y = unit.firstRow; y < unit.lastRow(); ++y) {
      const bool rowInside = precomputed && insideAt(y * s.sh - s.pt, (s.kh - 1) * s.dh, s.h);
      for (int64_t x = 0; x < p.outW; x += kPixels) {
        const int64_t count = smaller(kPixels, p.outW - x);
        char* const out = unit.outAt(y, x, channel);
        for (int64_t i = 0; i < count; ++i) {
          const int64_t x0 = (x + i) * s.sw - s.pl;
          float* const sums = scratch + i * D::kChannels;
          char* const pixel = out + i * p.out.pixel;  // used where results are bytes
          if (rowInside && insideAt(x0, (s.kw - 1) * s.dw, s.w)) {
            work.sumInside(work.tap(y * s.sh - s.pt, x0), offsets, words, sums, pixel);
          } else {
            work.sum(y, x + i, sums, pixel);
          }
        }
        if (!finish.areBytes)
          finish.finish(scratch, unit.residualAt(y, x, channel), out, count, channels);
      }
    }
  }
}

}  // namespace
}  // namespace layerwise::cpu
