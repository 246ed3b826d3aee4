#pragma once

#include <cstdint>

#include "backends/cpu/simd/inline.h"

namespace layerwise::cpu {
namespace {

LW_INLINE int64_t smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}

template <class V>
LW_INLINE typename V::Reg loadUpTo(const float* p, int64_t lanes) {
  return lanes >= V::kWidth ? V::load(p) : V::loadFirst(p, static_cast<int>(lanes));
}

template <class V, class T>
LW_INLINE void storeUpTo(T* p, typename V::Reg x, int64_t lanes) {
  if (lanes >= V::kWidth) {
    V::store(p, x);
  } else {
    V::storeFirst(p, x, static_cast<int>(lanes));
  }
}

// A square of registers transposed by log2(width) rounds of interleaving the halves.
template <class V>
LW_INLINE void transposeSquare(typename V::Reg (&rows)[V::kWidth]) {
  constexpr int kHalf = V::kWidth / 2;
  LW_UNROLL for (int round = 1; round < V::kWidth; round *= 2) {
    typename V::Reg next[V::kWidth];
    LW_UNROLL for (int i = 0; i < kHalf; ++i) {
      V::interleave(rows[i], rows[i + kHalf], next[2 * i], next[2 * i + 1]);
    }
    LW_UNROLL for (int i = 0; i < V::kWidth; ++i) rows[i] = next[i];
  }
}

// out[j * outStep + i] = in[i * inStep + j] for i < count, j < lanes.
template <class V>
void transposeBlock(const float* in, int64_t inStep, int64_t count, float* out, int64_t outStep,
                    int64_t lanes) {
  typename V::Reg rows[V::kWidth];
  LW_UNROLL for (int i = 0; i < V::kWidth; ++i) {
    rows[i] = i < count ? loadUpTo<V>(in + i * inStep, lanes) : V::zero();
  }
  transposeSquare<V>(rows);
  LW_UNROLL for (int j = 0; j < V::kWidth; ++j) {
    if (j < lanes) storeUpTo<V>(out + j * outStep, rows[j], count);
  }
}

}  // namespace
}  // namespace layerwise::cpu
