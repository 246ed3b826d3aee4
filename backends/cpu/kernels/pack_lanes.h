#pragma once

#include "backends/cpu/kernels/transpose.h"
#include "backends/cpu/pack_kernels.h"

namespace layerwise::cpu {
namespace {

// rows[j] = word j of up to a vector's number of rows that are `step` bytes apart; zeros behind
// those that there are.
template <class V>
LW_INLINE void loadColumns(const void* from, int64_t step, int64_t count, int64_t words,
                           typename V::Reg (&rows)[V::kWidth]) {
  LW_UNROLL for (int i = 0; i < V::kWidth; ++i) {
    const char* row = static_cast<const char*>(from) + i * step;
    rows[i] = i < count ? loadUpTo<V>(reinterpret_cast<const float*>(row), words) : V::zero();
  }
  transposeSquare<V>(rows);
}

// The weights of so many output channels lie side by side while they are worked on.
constexpr int kPackLanes = 16;

// to[j][o] = word j of output channel o, whose weights are `step` bytes apart. Writes a whole
// number of vectors' widths of lines.
template <class V>
LW_INLINE void loadLanes(const void* from, int64_t step, int64_t channels, int64_t words,
                         float (*to)[kPackLanes]) {
  static_assert(kPackLanes % V::kWidth == 0);
  for (int64_t l = 0; l < kPackLanes; l += V::kWidth) {
    const char* first = static_cast<const char*>(from) + l * step;
    for (int64_t j = 0; j < words; j += V::kWidth) {
      typename V::Reg rows[V::kWidth];
      loadColumns<V>(first + 4 * j, step, channels - l, words - j, rows);
      LW_UNROLL for (int i = 0; i < V::kWidth; ++i) V::store(&to[j + i][l], rows[i]);
    }
  }
}

LW_INLINE float* packedRow(const PackPlan& p, float* packed, int64_t row) {
  return packed + (p.order ? p.order[row] : row) * p.lanes;
}

// The first lanes of a packed row.
template <class V, class Word>
LW_INLINE void storeLanes(float* to, const Word (&row)[kPackLanes], int64_t lanes) {
  for (int64_t l = 0; l < kPackLanes && l < lanes; l += V::kWidth)
    storeUpTo<V>(to + l, V::load(reinterpret_cast<const float*>(row) + l), lanes - l);
}

// Whether whole lines go past the caches: where rows that follow one another in memory are far
// apart in time, as with many taps or points, and at distances that share sets of the caches.
inline bool writesPastCaches(const PackPlan& p, const float* packed) {
  constexpr int64_t kLine = 16;
  return p.streams && p.lanes % kLine == 0 &&
         reinterpret_cast<uintptr_t>(packed) % (kLine * sizeof(float)) == 0;
}

}  // namespace
}  // namespace layerwise::cpu
