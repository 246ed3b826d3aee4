#pragma once

#include "backends/cpu/conv_geometry.h"
#include "backends/cpu/kernels/finish.h"

namespace layerwise::cpu {
namespace {

// Depthwise convolutions (G = 1) and those of small groups of G channels in and out: a vector holds
// the channels of whole groups, and each input of a group is spread over the group's lanes by a
// permutation. Borders are met by leaving out their taps.
template <class V, int G>
struct Channelwise {
  using Reg = typename V::Reg;

  struct Taps {
    int64_t first, last;
  };
  // Taps of the output at `position` that meet the input.
  static LW_INLINE Taps tapsInside(int64_t start, int64_t dilation, int64_t taps, int64_t size) {
    const int64_t first = start < 0 ? divideUp(-start, dilation) : 0;
    const int64_t last = start < size ? divideUp(size - start, dilation) : 0;
    return {smaller(first, taps), smaller(last, taps)};
  }

  struct Pixels {
    const float* in;  // tap 0, 0 of the first pixel
    const float* weights;
    float* out;
    const float* residual;
    Taps ky, kx;
    int64_t channels;
  };

  // `count` neighbouring output pixels that share their taps.
  template <int count>
  static void run(const ConvPlan& p, const Pixels& px) {
    const ConvShape& s = p.shape;
    const int64_t step = s.sw * p.in.pixel;
    const bool clip = isClip(p.epilogue);
    const Reg low = V::set1(clip ? clipLow(p.epilogue) : -__builtin_inff());
    const Reg high = V::set1(clip ? clipHigh(p.epilogue) : __builtin_inff());
    typename V::Index spread[G];
    for (int j = 0; j < G; ++j) spread[j] = spreadIndex(j);
    const float* weights = px.weights;
    for (int64_t c = 0; c < px.channels; c += V::kWidth, weights += p.blockRows * V::kWidth) {
      Reg acc[count];
      LW_UNROLL for (int i = 0; i < count; ++i) acc[i] = V::load(weights);
      for (int64_t ky = px.ky.first; ky < px.ky.last; ++ky) {
        const float* in = px.in + ky * s.dh * p.in.row + px.kx.first * s.dw * p.in.pixel + c;
        const float* w = weights + (1 + (ky * s.kw + px.kx.first) * G) * V::kWidth;
        for (int64_t kx = px.kx.first; kx < px.kx.last; ++kx) {
          if constexpr (G == 1) {
            const Reg tap = V::load(w);
            LW_UNROLL for (int i = 0; i < count; ++i) {
              acc[i] = V::fma(V::load(in + i * step), tap, acc[i]);
            }
          } else {
            Reg tap[G];
            LW_UNROLL for (int j = 0; j < G; ++j) tap[j] = V::load(w + j * V::kWidth);
            LW_UNROLL for (int i = 0; i < count; ++i) {
              const Reg x = V::load(in + i * step);
              LW_UNROLL for (int j = 0; j < G; ++j) {
                acc[i] = V::fma(V::permute(x, spread[j]), tap[j], acc[i]);
              }
            }
          }
          in += s.dw * p.in.pixel;
          w += G * V::kWidth;
        }
      }
      LW_UNROLL for (int i = 0; i < count; ++i) {
        Reg x = acc[i];
        if (px.residual && clip) x = V::add(x, V::load(px.residual + i * p.residual.pixel + c));
        x = V::min(high, V::max(low, x));
        storeUpTo<V>(px.out + i * p.out.pixel + c, x, px.channels - c);
      }
    }
    if (!clip) {
      finishPixels<V>(p.epilogue, px.out, p.out.pixel, px.residual, p.residual.pixel, count,
                      px.channels);
    }
  }

  static LW_INLINE typename V::Index spreadIndex(int j) {
    int index[V::kWidth];
    for (int lane = 0; lane < V::kWidth; ++lane) index[lane] = lane / G * G + j;
    return V::loadIndex(index);
  }

  static void tile(const ConvPlan& p, const ConvBuffers& io, int64_t tileIndex, float*) {
    const ConvShape& s = p.shape;
    const int64_t strip = tileIndex % p.strips, image = tileIndex / p.strips % s.n;
    const int64_t firstBlock = tileIndex / (p.strips * s.n) * p.chunk;
    const int64_t firstChannel = firstBlock * V::kWidth;
    const bool residual = p.epilogue.residual != ResidualPlace::kNone;
    const int64_t lastRow = smaller((strip + 1) * p.strip, p.outH);
    // Output columns all of whose taps meet the input.
    const int64_t reach = (s.kw - 1) * s.dw;
    const int64_t insideBegin = smaller(divideUp(s.pl, s.sw), p.outW);
    const int64_t room = s.w + s.pl - reach - 1;
    const int64_t insideEnd = room < 0 ? insideBegin : smaller(room / s.sw + 1, p.outW);
    for (int64_t y = strip * p.strip; y < lastRow; ++y) {
      const int64_t inY = y * s.sh - s.pt;
      Pixels px;
      px.weights = io.packed + firstChannel * p.blockRows;
      px.ky = tapsInside(inY, s.dh, s.kh, s.h);
      px.channels = smaller(p.chunk * V::kWidth, s.co - firstChannel);
      for (int64_t x = 0; x < p.outW;) {
        const int64_t inX = x * s.sw - s.pl;
        const bool inside = x >= insideBegin && x < insideEnd;
        const int64_t left = inside ? insideEnd - x : 1;
        px.kx = inside ? Taps{0, s.kw} : tapsInside(inX, s.dw, s.kw, s.w);
        px.in = io.in + image * p.in.image + inY * p.in.row + inX * p.in.pixel + firstChannel;
        px.out = io.out + image * p.out.image + y * p.out.row + x * p.out.pixel + firstChannel;
        px.residual = residual ? io.residual + image * p.residual.image + y * p.residual.row +
                                     x * p.residual.pixel + firstChannel
                               : nullptr;
        if (left >= 8) {
          run<8>(p, px);
          x += 8;
        } else if (left >= 4) {
          run<4>(p, px);
          x += 4;
        } else if (left >= 2) {
          run<2>(p, px);
          x += 2;
        } else {
          run<1>(p, px);
          x += 1;
        }
      }
    }
  }
};

template <class V>
void convGroupedTile(const ConvPlan& p, const ConvBuffers& io, int64_t tile, float* scratch) {
  switch (p.groupCi) {
    case 2:
      return Channelwise<V, 2>::tile(p, io, tile, scratch);
    case 4:
      return Channelwise<V, 4>::tile(p, io, tile, scratch);
    default:
      if constexpr (V::kWidth > 8) return Channelwise<V, 8>::tile(p, io, tile, scratch);
  }
}

}  // namespace
}  // namespace layerwise::cpu
