#pragma once

#include <type_traits>

#include "backends/cpu/conv_geometry.h"
#include "backends/cpu/kernels/convert.h"

namespace layerwise::cpu {
namespace {

// Depthwise convolutions (G = 1) and those of small groups of G channels in and out: a vector holds
// the channels of whole groups, and each input of a group is spread over the group's lanes by a
// permutation. Borders are met by leaving out their taps. T is float, or uint16_t for bfloat16,
// which a V of pairs widens. Results are float32, or, where Single is a vector type, what the
// plan's conversion says.
template <class V, int G, class T = float, class Single = void>
struct Channelwise {
  using Reg = typename V::Reg;
  static constexpr bool kConverts = !std::is_void_v<Single>;

  struct Taps {
    int64_t first, last;
  };
  // Most pixels that share their taps. Those of stride 1 may fill more registers than others, which
  // took longer then.
  static constexpr int kMostApart = V::kRegisters / 2 < 8 ? V::kRegisters / 2 : 8;
  static constexpr int kMostPixels = G > 1                    ? kMostApart
                                     : V::kRegisters / 2 < 14 ? V::kRegisters / 2
                                                              : 14;

  // Taps of the output at `position` that meet the input.
  static LW_INLINE Taps tapsInside(int64_t start, int64_t dilation, int64_t taps, int64_t size) {
    const int64_t first = start < 0 ? divideUp(-start, dilation) : 0;
    const int64_t last = start < size ? divideUp(size - start, dilation) : 0;
    return {smaller(first, taps), smaller(last, taps)};
  }

  // Rows of taps that have code of their own.
  enum class RowKind { kOther, k3Stride1, k3Stride2, k5Stride1, k5Stride2 };

  struct Pixels {
    const T* in;  // tap 0, 0 of the first pixel
    const float* weights;
    char* out;
    const char* residual;  // null where there is none
    Taps ky, kx;
    int64_t channels;
    RowKind rowKind;  // and where it is not kOther:
    bool bordered;    // some input columns under the pixels are outside
    Taps columns;     // those inside, counted from the first
  };

  static LW_INLINE RowKind rowKind(const ConvShape& s) {
    if (G != 1 || s.dw != 1 || s.sw > 2) return RowKind::kOther;
    if (s.kw == 3) return s.sw == 1 ? RowKind::k3Stride1 : RowKind::k3Stride2;
    if (s.kw == 5) return s.sw == 1 ? RowKind::k5Stride1 : RowKind::k5Stride2;
    return RowKind::kOther;
  }

  // Any taps: each input is loaded once a tap.
  template <int count>
  static LW_INLINE void anyTaps(const ConvPlan& p, const Pixels& px, const T* channel,
                                const float* taps, const typename V::Index (&spread)[G],
                                Reg (&acc)[count]) {
    const ConvShape& s = p.shape;
    const int64_t step = s.sw * p.in.pixel;
    for (int64_t ky = px.ky.first; ky < px.ky.last; ++ky) {
      const T* in = channel + ky * s.dh * p.in.row + px.kx.first * s.dw * p.in.pixel;
      const float* w = taps + ((ky * s.kw + px.kx.first) * G) * V::kWidth;
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
  }

  // Which input columns under the pixels may be outside: none, the first and the last, any.
  enum class Border { kNone, kEdges, kAny };

  // Depthwise, K taps a row: each input of the row is loaded once and meets the outputs that it
  // belongs to, in the same order of taps as anyTaps.
  template <int count, int K, int S, Border border>
  static LW_INLINE void rowsOnce(const ConvPlan& p, const Pixels& px, const T* channel,
                                 const float* taps, Reg (&acc)[count]) {
    constexpr int kColumns = (count - 1) * S + K;
    constexpr int kTogether = 4;
    const int64_t pixel = p.in.pixel;
    const bool left = px.columns.first == 0, right = px.columns.last == kColumns;
    for (int64_t ky = px.ky.first; ky < px.ky.last; ++ky) {
      const T* in = channel + ky * p.shape.dh * p.in.row;
      Reg tap[K];
      LW_UNROLL for (int kx = 0; kx < K; ++kx) tap[kx] = V::load(taps + (ky * K + kx) * V::kWidth);
      LW_UNROLL for (int j = 0; j < kColumns; ++j) {
        if (j > 0 && j % kTogether == 0) in = advanced(in, kTogether * pixel);
        if (border == Border::kEdges && ((j == 0 && !left) || (j == kColumns - 1 && !right)))
          continue;
        if (border == Border::kAny && (j < px.columns.first || j >= px.columns.last)) continue;
        const Reg x = V::inRegister(V::load(in + j % kTogether * pixel));
        LW_UNROLL for (int kx = 0; kx < K; ++kx) {
          if (j >= kx && (j - kx) % S == 0 && (j - kx) / S < count) {
            acc[(j - kx) / S] = V::fma(x, tap[kx], acc[(j - kx) / S]);
          }
        }
      }
    }
  }

  // What a compiler does not see through: it would keep a pointer to each column.
  static LW_INLINE const T* advanced(const T* p, int64_t by) {
    p += by;
    asm("" : "+r"(p));
    return p;
  }

  template <int count, int K, int S>
  static LW_INLINE void rows(const ConvPlan& p, const Pixels& px, const T* channel,
                             const float* taps, Reg (&acc)[count]) {
    constexpr int64_t kColumns = (count - 1) * S + K;
    if (!px.bordered) {
      rowsOnce<count, K, S, Border::kNone>(p, px, channel, taps, acc);
    } else if (px.columns.first <= 1 && px.columns.last >= kColumns - 1) {
      rowsOnce<count, K, S, Border::kEdges>(p, px, channel, taps, acc);
    } else {
      rowsOnce<count, K, S, Border::kAny>(p, px, channel, taps, acc);
    }
  }

  // Results of a vector of channels from `c` on, and the epilogue where it is a clip.
  template <int count>
  static LW_INLINE void write(const ConvPlan& p, const Pixels& px, int64_t c, bool clip, Reg low,
                              Reg high, Reg (&acc)[count]) {
    float* const out = reinterpret_cast<float*>(px.out) + c;
    // A copy: for all that the compiler knows, stores write over the plan.
    const int64_t pixel = p.out.pixel;
    if (px.residual && clip) {
      const float* const residual = reinterpret_cast<const float*>(px.residual) + c;
      LW_UNROLL for (int i = 0; i < count; ++i) {
        acc[i] = V::add(acc[i], V::load(residual + i * p.residual.pixel));
      }
    }
    const int64_t lanes = px.channels - c;
    LW_UNROLL for (int i = 0; i < count; ++i) acc[i] = V::min(high, V::max(low, acc[i]));
    if (lanes >= V::kWidth) {
      LW_UNROLL for (int i = 0; i < count; ++i) V::store(out + i * pixel, acc[i]);
    } else {
      LW_UNROLL for (int i = 0; i < count; ++i) {
        V::storeFirst(out + i * pixel, acc[i], static_cast<int>(lanes));
      }
    }
  }

  // The same as bfloat16, and any results.
  template <int count>
  static LW_INLINE void writeConverted(const ConvPlan& p, const Pixels& px, int64_t c, bool clip,
                                       Reg low, Reg high, Reg (&acc)[count]) {
    if (clip && !px.residual && p.conversion.output == Element::kBFloat16) {
      uint16_t* const out = reinterpret_cast<uint16_t*>(px.out) + c;
      const int64_t pixel = p.out.pixel, lanes = px.channels - c;  // copies, as in write()
      LW_UNROLL for (int i = 0; i < count; ++i) acc[i] = V::min(high, V::max(low, acc[i]));
      if (lanes >= V::kWidth) {
        LW_UNROLL for (int i = 0; i < count; ++i) {
          V::storeBFloat16(out + i * pixel, acc[i], V::kWidth);
        }
      } else {
        LW_UNROLL for (int i = 0; i < count; ++i) V::storeBFloat16(out + i * pixel, acc[i], lanes);
      }
      return;
    }
    alignas(64) float sums[count * V::kWidth];
    for (int i = 0; i < count; ++i) {
      if constexpr (sizeof(T) == sizeof(float)) {
        V::store(sums + i * V::kWidth, acc[i]);
      } else {
        V::storeFloats(sums + i * V::kWidth, acc[i]);
      }
    }
    const int64_t outBytes = elementBytes(p.conversion.output);
    const int64_t residualBytes = elementBytes(p.conversion.residual);
    convertResults<Single, Element::kBFloat16>(
        p.epilogue, p.conversion,
        {sums, V::kWidth, nullptr, nullptr, px.residual ? px.residual + c * residualBytes : nullptr,
         p.residual.pixel * residualBytes, px.out + c * outBytes, p.out.pixel * outBytes, count,
         smaller(V::kWidth, px.channels - c)});
  }

  // `count` neighbouring output pixels that share their taps.
  template <int count>
  static void run(const ConvPlan& p, const Pixels& px) {
    const bool clip = isClip(p.epilogue);
    const Reg low = V::set1(clip ? clipLow(p.epilogue) : -__builtin_inff());
    const Reg high = V::set1(clip ? clipHigh(p.epilogue) : __builtin_inff());
    typename V::Index spread[G];
    if constexpr (G > 1) {
      for (int j = 0; j < G; ++j) spread[j] = spreadIndex(j);
    }
    const float* weights = px.weights;
    for (int64_t c = 0; c < px.channels; c += V::kWidth, weights += p.blockRows * V::kWidth) {
      Reg acc[count];
      LW_UNROLL for (int i = 0; i < count; ++i) acc[i] = V::load(weights);
      const T* in = px.in + c;
      const float* taps = weights + V::kWidth;
      if constexpr (G > 1) {
        anyTaps<count>(p, px, in, taps, spread, acc);
      } else if (px.rowKind == RowKind::k3Stride1) {
        rows<count, 3, 1>(p, px, in, taps, acc);
      } else if (px.rowKind == RowKind::k5Stride1) {
        rows<count, 5, 1>(p, px, in, taps, acc);
      } else if constexpr (count <= kMostApart) {
        if (px.rowKind == RowKind::k3Stride2) {
          rows<count, 3, 2>(p, px, in, taps, acc);
        } else if (px.rowKind == RowKind::k5Stride2) {
          rows<count, 5, 2>(p, px, in, taps, acc);
        } else {
          anyTaps<count>(p, px, in, taps, spread, acc);
        }
      }
      if constexpr (kConverts) {
        writeConverted<count>(p, px, c, clip, low, high, acc);
      } else {
        write<count>(p, px, c, clip, low, high, acc);
      }
    }
    if constexpr (!kConverts) {
      if (!clip) {
        finishPixels<V>(p.epilogue, reinterpret_cast<float*>(px.out), p.out.pixel,
                        reinterpret_cast<const float*>(px.residual), p.residual.pixel, count,
                        px.channels);
      }
    }
  }

  static LW_INLINE typename V::Index spreadIndex(int j) {
    int index[V::kWidth];
    for (int lane = 0; lane < V::kWidth; ++lane) index[lane] = lane / G * G + j;
    return V::loadIndex(index);
  }

  template <int count>
  static LW_INLINE void runUpTo(const ConvPlan& p, const Pixels& px, int64_t pixels) {
    if (pixels == count) {
      run<count>(p, px);
    } else if constexpr (count > 1) {
      runUpTo<count - 1>(p, px, pixels);
    }
  }

  template <class Buffers>
  static void tile(const ConvPlan& p, const Buffers& io, int64_t tileIndex, float*) {
    const ConvShape& s = p.shape;
    const Unit unit = unitAt(p.units, tileIndex);
    const int64_t image = unit.image, firstChannel = unit.firstBlock * V::kWidth;
    const bool residual = p.epilogue.residual != ResidualPlace::kNone;
    // Output columns all of whose taps meet the input.
    const int64_t insideBegin = smaller(divideUp(s.pl, s.sw), p.outW);
    const int64_t room = s.w + s.pl - (s.kw - 1) * s.dw - 1;
    const int64_t insideEnd = room < 0 ? insideBegin : smaller(room / s.sw + 1, p.outW);
    Pixels px;
    px.weights = static_cast<const float*>(io.packed) + firstChannel * p.blockRows;
    px.channels = smaller(unit.lastBlock * V::kWidth, s.co) - firstChannel;
    px.rowKind = rowKind(s);
    const bool dense = px.rowKind == RowKind::k3Stride1 || px.rowKind == RowKind::k5Stride1;
    const int64_t pieces = divideUp(p.outW, dense ? kMostPixels : kMostApart);
    for (int64_t y = unit.firstRow; y < unit.firstRow + unit.rows; ++y) {
      const int64_t inY = y * s.sh - s.pt;
      px.ky = tapsInside(inY, s.dh, s.kh, s.h);
      for (int64_t x = 0, piece = 1; x < p.outW; ++piece) {
        const int64_t inX = x * s.sw - s.pl;
        int64_t pixels;
        if (px.rowKind != RowKind::kOther) {
          pixels = piece * p.outW / pieces - x;
          const int64_t columns = (pixels - 1) * s.sw + s.kw;
          px.columns = tapsInside(inX, 1, columns, s.w);
          px.bordered = px.columns.first > 0 || px.columns.last < columns;
        } else {
          const bool inside = x >= insideBegin && x < insideEnd;
          pixels = inside ? smaller(kMostApart, insideEnd - x) : 1;
          px.kx = inside ? Taps{0, s.kw} : tapsInside(inX, s.dw, s.kw, s.w);
        }
        px.in = static_cast<const T*>(io.in) + image * p.in.image + inY * p.in.row +
                inX * p.in.pixel + firstChannel;
        const auto at = [&](const View& v) {
          return image * v.image + y * v.row + x * v.pixel + firstChannel;
        };
        px.out = reinterpret_cast<char*>(io.out) + at(p.out) * elementBytes(p.conversion.output);
        px.residual = residual ? reinterpret_cast<const char*>(io.residual) +
                                     at(p.residual) * elementBytes(p.conversion.residual)
                               : nullptr;
        runUpTo<kMostPixels>(p, px, pixels);
        x += pixels;
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
