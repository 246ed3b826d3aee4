#pragma once

#include "backends/cpu/companding_code.h"
#include "backends/cpu/kernels/pack_bytes.h"
#include "backends/cpu/kernels/pack_lanes.h"
#include "backends/cpu/pack_kernels.h"
#include "backends/shared/winograd_lanes.h"

namespace layerwise::cpu {
namespace {

// A transposition whose rows then change their order.
template <class V>
void packRows(const PackPlan& p, const float* weights, float* packed) {
  const int64_t columns = p.inputs * p.taps;
  const RowWriter<V> writer(p, packed, V::kWidth == 16 && p.taps > 1);
  int64_t input = 0, tap = 0;
  for (int64_t column = 0; column < columns; column += V::kWidth) {
    float* to[V::kWidth];
    const int64_t some = smaller(V::kWidth, columns - column);
    for (int64_t j = 0; j < some; ++j) {
      to[j] = packedRow(p, packed, tap * p.inputs + input);
      if (++tap == p.taps) tap = 0, ++input;
    }
    for (int64_t o = 0; o < p.lanes; o += V::kWidth) {
      typename V::Reg rows[V::kWidth];
      loadColumns<V>(weights + o * columns + column, 4 * columns, p.channels - o, some, rows);
      LW_UNROLL for (int j = 0; j < V::kWidth; ++j) {
        if (j < some) writer.write(to[j] + o, rows[j], p.lanes - o);
      }
    }
  }
  writer.finish();
}

template <class V, int points>
void packWinograd(const PackPlan& p, const float* weights, float* packed) {
  // So many input channels' weights of some output channels lie side by side in the first cache.
  constexpr int64_t kTogether = 16;
  static_assert(kTogether * 9 % V::kWidth == 0);
  typedef float Floats __attribute__((vector_size(kWinogradLanes * sizeof(float))));
  float some[kTogether * 9][kPackLanes];
  const RowWriter<V> writer(p, packed, true);
  const int64_t step = p.inputs * 9;
  for (int64_t first = 0; first < p.inputs; first += kTogether) {
    const int64_t inputs = smaller(kTogether, p.inputs - first), columns = inputs * 9;
    for (int64_t o = 0; o < p.lanes; o += kPackLanes) {
      loadLanes<V>(weights + o * step + first * 9, 4 * step, p.channels - o, columns, some);
      for (int64_t i = 0; i < inputs; ++i) {
        float rows[points * points][kPackLanes];
        for (int l = 0; l < kPackLanes; l += kWinogradLanes) {
          WinogradLanes given[9], whole[points * points];
          for (int k = 0; k < 9; ++k) {
            Floats part;
            __builtin_memcpy(&part, &some[i * 9 + k][l], sizeof part);
            given[k] = __builtin_convertvector(part, WinogradLanes);
          }
          transformNine<points>(given, whole);
          for (int e = 0; e < points * points; ++e) {
            const Floats part = __builtin_convertvector(whole[e], Floats);
            __builtin_memcpy(&rows[e][l], &part, sizeof part);
          }
        }
        float* to = packed + (first + i) * p.lanes + o;
        for (int e = 0; e < points * points; ++e, to += p.inputs * p.lanes) {
          for (int l = 0; l < kPackLanes && o + l < p.lanes; l += V::kWidth)
            writer.write(to + l, V::load(&rows[e][l]), p.lanes - o - l);
        }
      }
    }
  }
  writer.finish();
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
  return {&packRows<V>,     &packWinograd<V, 4>,     &packWinograd<V, 6>,
          &packPairs<V>,    &packCompanded<V>,       &sumsOf,
          &packByteRows<V>, &packByteWinograd<V, 2>, &packByteWinograd<V, 4>};
}

}  // namespace
}  // namespace layerwise::cpu
