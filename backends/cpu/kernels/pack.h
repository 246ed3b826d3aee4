#pragma once

#include "backends/cpu/kernels/pack_bytes.h"
#include "backends/cpu/kernels/transpose.h"
#include "backends/cpu/pack_kernels.h"
#include "backends/shared/winograd_lanes.h"

namespace layerwise::cpu {
namespace {

// rows[j] = column j of up to a vector's number of rows; zeros behind those that there are.
template <class V>
LW_INLINE void loadColumns(const float* from, int64_t step, int64_t count, int64_t columns,
                           typename V::Reg (&rows)[V::kWidth]) {
  LW_UNROLL for (int i = 0; i < V::kWidth; ++i) {
    rows[i] = i < count ? loadUpTo<V>(from + i * step, columns) : V::zero();
  }
  transposeSquare<V>(rows);
}

// Writes up to a vector of a packed row. Rows that follow one another in memory are far apart in
// time where there are many taps or points, and at distances that share sets of the caches: whole
// lines then go past them.
template <class V>
class RowWriter {
 public:
  RowWriter(const PackPlan& p, const float* packed, bool scattered)
      : streams_(scattered && p.lanes % kLine == 0 &&
                 reinterpret_cast<uintptr_t>(packed) % (kLine * sizeof(float)) == 0) {}
  LW_INLINE void write(float* to, typename V::Reg x, int64_t lanes) const {
    if (streams_) {
      V::stream(to, x);
    } else {
      storeUpTo<V>(to, x, lanes);
    }
  }
  // No destructor: what unwinds the stack would be a symbol for the linker to merge.
  LW_INLINE void finish() const {
    if (streams_) V::finishStreams();
  }

 private:
  static constexpr int64_t kLine = 16;
  bool streams_;
};

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
      loadColumns<V>(weights + o * columns + column, columns, p.channels - o, some, rows);
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
  static_assert(kTogether * 9 % V::kWidth == 0 && kWinogradLanes % V::kWidth == 0);
  float some[kTogether * 9][kWinogradLanes];
  const RowWriter<V> writer(p, packed, true);
  const int64_t step = p.inputs * 9;
  for (int64_t first = 0; first < p.inputs; first += kTogether) {
    const int64_t inputs = smaller(kTogether, p.inputs - first), columns = inputs * 9;
    for (int64_t o = 0; o < p.lanes; o += kWinogradLanes) {
      for (int64_t l = 0; l < kWinogradLanes; l += V::kWidth) {
        const float* from = weights + (o + l) * step + first * 9;
        for (int64_t j = 0; j < columns; j += V::kWidth) {
          typename V::Reg rows[V::kWidth];
          loadColumns<V>(from + j, step, p.channels - o - l, columns - j, rows);
          LW_UNROLL for (int i = 0; i < V::kWidth; ++i) V::store(&some[j + i][l], rows[i]);
        }
      }
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

template <class V>
constexpr PackKernels packKernelsOf() {
  return {&packRows<V>,     &packWinograd<V, 4>,     &packWinograd<V, 6>,    &sumsOf,
          &packByteRows<V>, &packByteWinograd<V, 2>, &packByteWinograd<V, 4>};
}

}  // namespace
}  // namespace layerwise::cpu
