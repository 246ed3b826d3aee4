#pragma once

#include "backends/cpu/kernels/conv_direct.h"

namespace layerwise::cpu {
namespace {

// One channel a group, of bytes: a word holds neighbouring taps of a channel instead of
// neighbouring channels of a tap, so that the instructions of the direct kernel do. A block has as
// many channels as a vector has elements; taps outside the image are read from a border of zero
// points.
template <class Dot>
struct Depthwise {
  using V = typename Dot::Vector;
  using T = typename ElementType<dotElement<Dot>()>::Type;
  static constexpr int kElements = Dot::kElements;
  static constexpr int kChannels = kElements * V::kWidth;
  static constexpr int64_t kBytes = sizeof(T);

  const ConvPlan& p;
  const char* in;      // of the image, at the block's first channel
  const char* border;  // a vector of zero points
  const float* start;
  const char* weights;
  const ByteResults* results;  // in the order of the sums; null: sums are written
  int channels;

  const char* tap(int64_t y, int64_t x) const {
    if (y < 0 || y >= p.shape.h || x < 0 || x >= p.shape.w) return border;
    return in + (y * p.in.row + x * p.in.pixel) * kBytes;
  }

  // One output pixel: its sums, or its bytes.
  void sum(int64_t y, int64_t x, float* sums, char* out) const {
    const ConvShape& s = p.shape;
    const int64_t taps = s.kh * s.kw, y0 = y * s.sh - s.pt, x0 = x * s.sw - s.pl;
    typename Dot::Acc acc[kElements];
    LW_UNROLL for (int j = 0; j < kElements; ++j) acc[j] = Dot::start(start + j * V::kWidth);
    const char* w = weights;
    int64_t ky = 0, kx = 0;
    for (int64_t first = 0; first < taps; first += kElements) {
      const char* from[kElements];
      LW_UNROLL for (int i = 0; i < kElements; ++i) {
        from[i] = ky < s.kh ? tap(y0 + ky * s.dh, x0 + kx * s.dw) : border;
        if (++kx == s.kw) kx = 0, ++ky;
      }
      add(acc, from, w);
    }
    store(acc, sums, out);
  }

  // The same where no tap is outside: `offsets` are those of the taps from the first one.
  void sumInside(const char* first, const int64_t* offsets, int64_t groups, float* sums,
                 char* out) const {
    typename Dot::Acc acc[kElements];
    LW_UNROLL for (int j = 0; j < kElements; ++j) acc[j] = Dot::start(start + j * V::kWidth);
    const char* w = weights;
    for (int64_t g = 0; g < groups; ++g, offsets += kElements) {
      const char* from[kElements];
      LW_UNROLL for (int i = 0; i < kElements; ++i) from[i] = first + offsets[i];
      add(acc, from, w);
    }
    store(acc, sums, out);
  }

  static LW_INLINE void add(typename Dot::Acc (&acc)[kElements], const char* const* from,
                            const char*& w) {
    typename V::Index words[kElements];
    V::interleave(from, words);
    LW_UNROLL for (int j = 0; j < kElements; ++j) {
      acc[j] = Dot::dot(acc[j], Dot::activations(words[j]), Dot::weights(w));
      w += V::kWidth * 4;
    }
  }

  LW_INLINE void store(const typename Dot::Acc (&acc)[kElements], float* sums, char* out) const {
    if constexpr (kElements == 4) {
      if (results) {
        typename V::Reg x[4];
        LW_UNROLL for (int j = 0; j < 4; ++j) {
          x[j] = V::exactFma(V::toFloat(acc[j]), V::load(results->scale + j * V::kWidth),
                             V::load(results->bias + j * V::kWidth));
        }
        if (!results->saturates) {
          const auto low = V::set1(results->low), high = V::set1(results->high);
          LW_UNROLL for (int j = 0; j < 4; ++j) x[j] = V::min(V::max(x[j], low), high);
        }
        typename V::Index q[4];
        LW_UNROLL for (int j = 0; j < 4; ++j) q[j] = V::toInt(x[j]);
        V::storeInterleaved(reinterpret_cast<uint8_t*>(out), q, channels);
        return;
      }
    }
    LW_UNROLL for (int j = 0; j < kElements; ++j) {
      V::storeParts(sums + 4 * j, V::bitsOf(acc[j]), 4 * kElements);
    }
  }
};

// Taps that a kernel may have to have its offsets computed once.
constexpr int64_t kMostOffsets = 64;

template <class Dot>
void convDepthwise(const ConvPlan& p, const TypedConvBuffers& io, int64_t index, float* scratch) {
  using D = Depthwise<Dot>;
  using V = typename Dot::Vector;
  constexpr Element kElement = dotElement<Dot>();
  constexpr int64_t kHeader = headerRows(kElement), kPixels = kTileFloats / D::kChannels;
  const ConvShape& s = p.shape;
  const int64_t begin = index % p.strips * p.strip, rows = smaller(p.strip, p.outH - begin);
  const int64_t image = index / p.strips % s.n, firstBlock = index / (p.strips * s.n) * p.chunk;
  const int64_t lastBlock = smaller(firstBlock + p.chunk, p.blockCount);
  char* const border = reinterpret_cast<char*>(scratch + kTileFloats);
  __builtin_memset(border, kElement == Element::kUInt8 ? p.conversion.inputZero : 0, 64);

  int64_t offsets[kMostOffsets];
  const int64_t taps = s.kh * s.kw, groups = divideUp(taps, D::kElements);
  const bool precomputed = groups * D::kElements <= kMostOffsets;
  for (int64_t t = 0; precomputed && t < groups * D::kElements; ++t) {
    // Taps that fill up a word have zero weights: the last one serves.
    const int64_t tap = smaller(t, taps - 1);
    offsets[t] = (tap / s.kw * s.dh * p.in.row + tap % s.kw * s.dw * p.in.pixel) * D::kBytes;
  }
  const int64_t outBytes = elementBytes(p.conversion.output);
  const int64_t residualBytes = elementBytes(p.conversion.residual);
  const bool hasResidual = p.epilogue.residual != ResidualPlace::kNone;
  const auto insideAt = [](int64_t at, int64_t reach, int64_t size) {
    return at >= 0 && at + reach < size;
  };

  for (int64_t block = firstBlock; block < lastBlock; ++block) {
    const int64_t channel = block * D::kChannels, channels = smaller(s.co - channel, D::kChannels);
    const float* header = static_cast<const float*>(io.packed) + block * p.blockRows * D::kChannels;
    // Scales and biases in the order in which interleaving leaves the channels.
    float permuted[2][D::kChannels];
    ByteResults results{};
    if constexpr (kElement == Element::kUInt8) {
      for (int i = 0; i < D::kChannels; ++i) {
        const int part = i / 16, group = i / 4 % 4, lane = part * 4 + i % 4;
        permuted[0][group * V::kWidth + lane] = header[i];
        permuted[1][group * V::kWidth + lane] = header[D::kChannels + i];
      }
      results = byteResults(p.epilogue, p.conversion, permuted[0], permuted[1]);
    }
    const D work{p,
                 static_cast<const char*>(io.in) + (image * p.in.image + channel) * D::kBytes,
                 border,
                 header + (kHeader - 1) * D::kChannels,
                 reinterpret_cast<const char*>(header + kHeader * D::kChannels),
                 storesBytes(p) && !hasResidual ? &results : nullptr,
                 static_cast<int>(channels)};
    for (int64_t y = begin; y < begin + rows; ++y) {
      const bool rowInside = precomputed && insideAt(y * s.sh - s.pt, (s.kh - 1) * s.dh, s.h);
      for (int64_t x = 0; x < p.outW; x += kPixels) {
        const int64_t count = smaller(kPixels, p.outW - x);
        const auto at = [&](const View& v) {
          return image * v.image + y * v.row + x * v.pixel + channel;
        };
        char* const out = static_cast<char*>(io.out) + at(p.out) * outBytes;
        for (int64_t i = 0; i < count; ++i) {
          const int64_t x0 = (x + i) * s.sw - s.pl;
          float* const sums = scratch + i * D::kChannels;
          char* const pixel = out + i * p.out.pixel * outBytes;
          if (rowInside && insideAt(x0, (s.kw - 1) * s.dw, s.w)) {
            work.sumInside(work.tap(y * s.sh - s.pt, x0), offsets, groups, sums, pixel);
          } else {
            work.sum(y, x + i, sums, pixel);
          }
        }
        if (work.results) continue;
        const char* residual =
            hasResidual ? static_cast<const char*>(io.residual) + at(p.residual) * residualBytes
                        : nullptr;
        writeReducedRow<V, kElement>(p, scratch, D::kChannels, header, header + D::kChannels,
                                     residual, out, count, channels);
      }
    }
  }
}

}  // namespace
}  // namespace layerwise::cpu
