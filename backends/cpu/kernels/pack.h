#pragma once

#include "backends/cpu/companding_code.h"
#include "backends/cpu/divide_up.h"
#include "backends/cpu/kernels/pack_bytes.h"
#include "backends/cpu/kernels/pack_lanes.h"
#include "backends/cpu/pack_kernels.h"
#include "backends/shared/winograd_lanes.h"

namespace layerwise::cpu {
namespace {

// A transposition whose rows then change their order.
template <class V>
void packRows(const PackPlan& p, const float* weights, float* packed) {
  // So many weights of a channel are read in a run.
  constexpr int64_t kTogether = 64;
  const int64_t columns = p.inputs * p.taps;
  const bool streams = V::kWidth == 16 && p.taps > 1 && writesPastCaches(p, packed);
  float* to[kTogether];
  int64_t input = 0, tap = 0;
  for (int64_t first = 0; first < columns; first += kTogether) {
    const int64_t some = smaller(kTogether, columns - first);
    for (int64_t j = 0; j < some; ++j) {
      to[j] = packedRow(p, packed, tap * p.inputs + input);
      if (++tap == p.taps) tap = 0, ++input;
    }
    for (int64_t o = 0; o < p.lanes; o += V::kWidth) {
      for (int64_t column = 0; column < some; column += V::kWidth) {
        typename V::Reg rows[V::kWidth];
        loadColumns<V>(weights + o * columns + first + column, 4 * columns, p.channels - o,
                       some - column, rows);
        LW_UNROLL for (int j = 0; j < V::kWidth; ++j) {
          if (column + j >= some) break;
          if (streams) {
            V::stream(to[column + j] + o, rows[j]);
          } else {
            storeUpTo<V>(to[column + j] + o, rows[j], p.lanes - o);
          }
        }
      }
    }
  }
  if (streams) V::finishStreams();
}

typedef float WinogradFloats __attribute__((vector_size(kWinogradLanes * sizeof(float))));

// Rounds doubles of as many output channels as a vector holds.
template <class V>
LW_INLINE typename V::Reg rounded(const WinogradLanes* some) {
  static_assert(V::kWidth == kWinogradLanes || V::kWidth == 2 * kWinogradLanes);
  const auto first = __builtin_convertvector(some[0], WinogradFloats);
  typename V::Reg all;
  if constexpr (V::kWidth == kWinogradLanes) {
    __builtin_memcpy(&all, &first, sizeof all);
  } else {
    const auto second = __builtin_convertvector(some[1], WinogradFloats);
    const auto both = __builtin_shufflevector(first, second, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
                                              12, 13, 14, 15);
    __builtin_memcpy(&all, &both, sizeof all);
  }
  return all;
}

// The points of one input channel's weights `nine`, of kPackLanes output channels; a point's line
// lies `step` floats behind the one before.
template <class V, int points>
LW_INLINE void transformLanes(const float (*nine)[kPackLanes], float* to, int64_t step,
                              bool streams) {
  constexpr int kParts = kPackLanes / kWinogradLanes;
  WinogradLanes half[3 * points][kParts];
  LW_UNROLL for (int part = 0; part < kParts; ++part) {
    LW_UNROLL for (int x = 0; x < 3; ++x) {
      WinogradLanes given[3];
      LW_UNROLL for (int y = 0; y < 3; ++y) {
        WinogradFloats some;
        __builtin_memcpy(&some, &nine[y * 3 + x][part * kWinogradLanes], sizeof some);
        given[y] = __builtin_convertvector(some, WinogradLanes);
      }
      transformThree<points>(given[0], given[1], given[2], &half[x][part], 3 * kParts);
    }
  }
  LW_UNROLL for (int y = 0; y < points; ++y) {
    WinogradLanes row[points][kParts];
    LW_UNROLL for (int part = 0; part < kParts; ++part) {
      transformThree<points>(half[3 * y][part], half[3 * y + 1][part], half[3 * y + 2][part],
                             &row[0][part], kParts);
    }
    LW_UNROLL for (int x = 0; x < points; ++x, to += step) {
      LW_UNROLL for (int l = 0; l < kPackLanes; l += V::kWidth) {
        const typename V::Reg some = rounded<V>(&row[x][l / kWinogradLanes]);
        if (streams) {
          V::stream(to + l, some);
        } else {
          V::store(to + l, some);
        }
      }
    }
  }
}

template <class V, int points>
void packWinograd(const PackPlan& p, const float* weights, float* packed) {
  // So many input channels' weights of some output channels lie side by side in the first cache. A
  // point's lines of all of these are written one after the other.
  constexpr int64_t kInputs = 8, kLanes = 64;
  constexpr int64_t kWords = roundUp(kInputs * 9, V::kWidth);
  float some[kLanes / kPackLanes][kWords][kPackLanes], lines[points * points][kPackLanes];
  const bool streams = writesPastCaches(p, packed);
  const int64_t weightStep = p.inputs * 9, step = p.inputs * p.lanes;
  for (int64_t begin = 0; begin < p.lanes; begin += kLanes) {
    const int64_t end = smaller(begin + kLanes, p.lanes);
    for (int64_t first = 0; first < p.inputs; first += kInputs) {
      const int64_t inputs = smaller(kInputs, p.inputs - first);
      for (int64_t o = begin; o < end; o += kPackLanes)
        loadLanes<V>(weights + o * weightStep + first * 9, 4 * weightStep, p.channels - o,
                     inputs * 9, some[(o - begin) / kPackLanes]);
      for (int64_t i = 0; i < inputs; ++i) {
        for (int64_t o = begin; o < end; o += kPackLanes) {
          const float(*nine)[kPackLanes] = some[(o - begin) / kPackLanes] + i * 9;
          float* to = packed + (first + i) * p.lanes + o;
          if (end - o < kPackLanes) {
            transformLanes<V, points>(nine, lines[0], kPackLanes, false);
            for (int e = 0; e < points * points; ++e)
              storeLanes<V>(to + e * step, lines[e], end - o);
          } else {
            transformLanes<V, points>(nine, to, step, streams);
          }
        }
      }
    }
  }
  if (streams) V::finishStreams();
}

// To the nearest, to even between two; NaN stays a quiet NaN.
LW_INLINE unsigned bfloat16Bits(unsigned bits) {
  const unsigned nan = bits >> 16 | 0x40u, rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
  return (bits & 0x7fffffffu) > 0x7f800000u ? nan : rounded;
}

// visit(row, o, first, second): the weights of two neighbouring inputs, and of as many output
// channels from o on as there are lanes.
template <class V, class Visit>
LW_INLINE void forEachPair(const PackPlan& p, const float* weights, const Visit& visit) {
  constexpr int64_t kTogether = 16;
  static_assert(kTogether % V::kWidth == 0);
  float some[kTogether * kMostTaps][kPackLanes];
  const int64_t step = p.inputs * p.taps;
  for (int64_t o = 0; o < p.lanes; o += kPackLanes) {
    for (int64_t first = 0; first < p.inputs; first += kTogether) {
      const int64_t inputs = smaller(kTogether, p.inputs - first);
      loadLanes<V>(weights + o * step + first * p.taps, 4 * step, p.channels - o, inputs * p.taps,
                   some);
      for (int64_t i = 0; i < inputs; i += 2) {
        for (int64_t k = 0; k < p.taps; ++k)
          visit((k * p.inputs + first + i) / 2, o, some[i * p.taps + k],
                some[(i + 1) * p.taps + k]);
      }
    }
  }
}

template <class V>
void packPairs(const PackPlan& p, const float* weights, float* packed) {
  forEachPair<V>(
      p, weights,
      [&](int64_t row, int64_t o, const float* first, const float* second)
          __attribute__((always_inline)) {
            unsigned low[kPackLanes], high[kPackLanes];
            __builtin_memcpy(low, first, sizeof low);
            __builtin_memcpy(high, second, sizeof high);
            for (int l = 0; l < kPackLanes; ++l)
              low[l] = bfloat16Bits(low[l]) | bfloat16Bits(high[l]) << 16;
            storeLanes<V>(packedRow(p, packed, row) + o, low, p.lanes - o);
          });
}

// A pair's codes are 16 bits; a vector's four quarters are 8 bytes each in the 64 of two rows.
template <class V>
void packCompanded(const PackPlan& p, const float* weights, float* scales, uint8_t* packed) {
  const int64_t count = p.inputs * p.taps;
  float factors[kPackLanes] = {};
  for (int64_t o = 0; o < p.channels; ++o) {
    const CompandingScale scale = compandingScale(weights + o * count, count);
    scales[o] = scale.scale;
    factors[o] = scale.factor;
  }
  forEachPair<V>(
      p, weights,
      [&](int64_t row, int64_t, const float* first, const float* second)
          __attribute__((always_inline)) {
            unsigned short codes[kPackLanes];
            for (int l = 0; l < kPackLanes; ++l)
              codes[l] = static_cast<unsigned short>(compandedCode(first[l], factors[l]) |
                                                     compandedCode(second[l], factors[l]) << 8);
            const int64_t place = p.order ? p.order[row] : row;
            uint8_t* to = packed + place / 2 * 64 + place % 2 * 8;
            for (int q = 0; q < 4; ++q) __builtin_memcpy(to + 16 * q, codes + 4 * q, 8);
          });
}

template <class V>
constexpr PackKernels packKernelsOf() {
  return {&packRows<V>,
          &packWinograd<V, 4>,
          &packWinograd<V, 6>,
          &packPairs<V>,
          &packCompanded<V>,
          &sumOf,
          &sumsOf,
          &packByteRows<V>,
          &packByteWinograd<V, 2>,
          &packByteWinograd<V, 4>};
}

}  // namespace
}  // namespace layerwise::cpu
