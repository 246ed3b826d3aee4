#pragma once

#include "backends/cpu/fully_connected.h"
#include "backends/cpu/kernels/finish.h"

namespace layerwise::cpu {
namespace {

// R rows of the input against O rows of the weights. Each product is summed in the lanes of one
// vector and then across them, whatever R and O are.
template <class V, int R, int O>
struct DotProducts {
  using Reg = typename V::Reg;
  // How far ahead of their use weights are asked for: the hardware's own prefetch stops at the end
  // of a page.
  static constexpr int64_t kAhead = 2048 / sizeof(float);

  static LW_INLINE void run(const float* const (&in)[kMaxRows], const float* weights, int64_t depth,
                            float (&sums)[R][O]) {
    Reg acc[R][O];
    LW_UNROLL for (int r = 0; r < R; ++r) {
      LW_UNROLL for (int o = 0; o < O; ++o) acc[r][o] = V::zero();
    }
    int64_t k = 0;
    for (; k + V::kWidth <= depth; k += V::kWidth) {
      Reg x[R];
      LW_UNROLL for (int r = 0; r < R; ++r) x[r] = V::load(in[r] + k);
      LW_UNROLL for (int o = 0; o < O; ++o) {
        const float* w = weights + o * depth + k;
        V::prefetch(w + kAhead);
        const Reg y = V::load(w);
        LW_UNROLL for (int r = 0; r < R; ++r) acc[r][o] = V::fma(x[r], y, acc[r][o]);
      }
    }
    if (k < depth) {
      const int left = static_cast<int>(depth - k);
      LW_UNROLL for (int o = 0; o < O; ++o) {
        const Reg y = V::loadFirst(weights + o * depth + k, left);
        LW_UNROLL for (int r = 0; r < R; ++r) {
          acc[r][o] = V::fma(V::loadFirst(in[r] + k, left), y, acc[r][o]);
        }
      }
    }
    LW_UNROLL for (int r = 0; r < R; ++r) {
      LW_UNROLL for (int o = 0; o < O; ++o) sums[r][o] = acrossLanes(acc[r][o]);
    }
  }

  static LW_INLINE float acrossLanes(Reg x) {
    alignas(64) float lanes[V::kWidth];
    V::store(lanes, x);
    LW_UNROLL for (int width = V::kWidth / 2; width > 0; width /= 2) {
      LW_UNROLL for (int i = 0; i < width; ++i) lanes[i] += lanes[i + width];
    }
    return lanes[0];
  }
};

template <class V, int R, int O>
void fullyConnectedOutputs(const FullyConnectedPlan& p, const float* weights, const float* bias,
                           int64_t first, int64_t outputs, const FullyConnectedRows& rows) {
  int64_t done = 0;
  const auto group = [&](auto dots, auto& sums, int64_t count) {
    const int64_t at = first + done;
    dots.run(rows.in, weights + at * p.depth, p.depth, sums);
    for (int r = 0; r < R; ++r) {
      for (int64_t o = 0; o < count; ++o) {
        rows.out[r][done + o] = sums[r][o] + (bias ? bias[at + o] : 0.0f);
      }
    }
    done += count;
  };
  float sums[R][O], sum[R][1];
  while (done + O <= outputs) group(DotProducts<V, R, O>(), sums, O);
  while (done < outputs) group(DotProducts<V, R, 1>(), sum, 1);
  if (p.epilogue.activation == Activation::kNone && p.epilogue.residual == ResidualPlace::kNone)
    return;
  for (int r = 0; r < R; ++r)
    finishPixels<V>(p.epilogue, rows.out[r], 0, rows.residual[r], 0, 1, outputs);
}

template <class V>
void fullyConnectedTile(const FullyConnectedPlan& p, const float* weights, const float* bias,
                        int64_t first, int64_t outputs, const FullyConnectedRows& rows) {
  // The sums, a row of weights and the inputs fill the registers.
  constexpr int kFew = V::kRegisters >= 32 ? 4 : 2;
  switch (rows.count) {
    case 1:
      return fullyConnectedOutputs<V, 1, 8>(p, weights, bias, first, outputs, rows);
    case 2:
      return fullyConnectedOutputs<V, 2, 4>(p, weights, bias, first, outputs, rows);
    case 3:
      return fullyConnectedOutputs<V, 3, kFew>(p, weights, bias, first, outputs, rows);
    default:
      return fullyConnectedOutputs<V, 4, kFew>(p, weights, bias, first, outputs, rows);
  }
}

}  // namespace
}  // namespace layerwise::cpu
