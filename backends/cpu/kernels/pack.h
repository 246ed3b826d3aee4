#pragma once

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
      to[j] = packed + (tap * p.inputs + input) * p.lanes;
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
  static_assert(kPackLanes == kWinogradLanes);
  float some[kTogether * 9][kPackLanes];
  const RowWriter<V> writer(p, packed, true);
  const int64_t step = p.inputs * 9;
  for (int64_t first = 0; first < p.inputs; first += kTogether) {
    const int64_t inputs = smaller(kTogether, p.inputs - first), columns = inputs * 9;
    for (int64_t o = 0; o < p.lanes; o += kWinogradLanes) {
      loadLanes<V>(weights + o * step + first * 9, 4 * step, p.channels - o, columns, some);
      for (int64_t i = 0; i < inputs; ++i) {
        WinogradLanes given[9], whole[points * points];
        for (int k = 0; k < 9; ++k) {
          for (int l = 0; l < kWinogradLanes; ++l) given[k].of[l] = some[i * 9 + k][l];
        }
        transformNine<points>(given, whole);
        float* to = packed + (first + i) * p.lanes + o;
        for (int e = 0; e < points * points; ++e, to += p.inputs * p.lanes) {
          float result[kWinogradLanes];
          for (int l = 0; l < kWinogradLanes; ++l) result[l] = static_cast<float>(whole[e].of[l]);
          for (int l = 0; l < kWinogradLanes && o + l < p.lanes; l += V::kWidth)
            writer.write(to + l, V::load(result + l), p.lanes - o - l);
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

template <class V>
void packPairs(const PackPlan& p, const float* weights, float* packed) {
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
        for (int64_t k = 0; k < p.taps; ++k) {
          unsigned low[kPackLanes], high[kPackLanes];
          __builtin_memcpy(low, some[i * p.taps + k], sizeof low);
          __builtin_memcpy(high, some[(i + 1) * p.taps + k], sizeof high);
          for (int l = 0; l < kPackLanes; ++l)
            low[l] = bfloat16Bits(low[l]) | bfloat16Bits(high[l]) << 16;
          storeLanes<V>(packed + (k * p.inputs + first + i) / 2 * p.lanes + o, low, p.lanes - o);
        }
      }
    }
  }
}

template <class V>
constexpr PackKernels packKernelsOf() {
  return {&packRows<V>, &packWinograd<V, 4>, &packWinograd<V, 6>,     &packPairs<V>,
          &sumsOf,      &packByteRows<V>,    &packByteWinograd<V, 2>, &packByteWinograd<V, 4>};
}

}  // namespace
}  // namespace layerwise::cpu
