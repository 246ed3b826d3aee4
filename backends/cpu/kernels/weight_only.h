#pragma once

#include "backends/cpu/kernels/finish.h"
#include "backends/cpu/weight_only.h"

namespace layerwise::cpu {
namespace {

// A panel's outputs lie in the lanes of vectors, and each weight is made a float once for R rows of
// the input.
template <class V, int R>
struct WeightOnlyRows {
  using Reg = typename V::Reg;
  static constexpr int kLanes = WeightOnly::kPanelOutputs;
  // The sums of a group, a weight and an input stay in registers; a group's other outputs then take
  // it out of the first-level cache once more.
  static constexpr int kVectors = V::kRegisters >= 32 ? 4 : R <= 2 ? 4 : 2;
  // The lines of weights ahead that are asked for: the hardware's own prefetch stops at the end of
  // a page.
  static constexpr int64_t kAhead = 4096;

  static void run(const FullyConnectedPlan& p, const uint8_t* panel, const float* bias,
                  int64_t outputs, const FullyConnectedRows& rows) {
    alignas(64) float sums[R][kLanes];
    for (int i = 0; i < kLanes; i += V::kWidth) {
      Reg start = V::zero();
      if (bias && i < outputs) start = loadUpTo<V>(bias + i, outputs - i);
      LW_UNROLL for (int r = 0; r < R; ++r) V::store(&sums[r][i], start);
    }
    for (int64_t k = 0; k < p.depth; k += WeightOnly::kGroup) {
      const auto* scales = reinterpret_cast<const uint16_t*>(panel);
      panel += kLanes * sizeof(uint16_t);
      const int64_t left = p.depth - k;
      const int64_t inputs = left < WeightOnly::kGroup ? left : WeightOnly::kGroup;
      for (int i = 0; i < kLanes; i += kVectors * V::kWidth)
        addGroup(rows.in, k, inputs, panel + i, scales + i, i == 0, sums, i);
      panel += kLanes * inputs;
    }
    for (int r = 0; r < R; ++r) {
      for (int64_t i = 0; i < outputs; i += V::kWidth)
        storeUpTo<V>(rows.out[r] + i, V::load(&sums[r][i]), outputs - i);
      if (p.epilogue.activation != Activation::kNone || rows.residual[r])
        finishPixels<V>(p.epilogue, rows.out[r], 0, rows.residual[r], 0, 1, outputs);
    }
  }

 private:
  static LW_INLINE void addGroup(const float* const (&in)[kMaxRows], int64_t first, int64_t inputs,
                                 const uint8_t* bytes, const uint16_t* scales, bool ahead,
                                 float (&sums)[R][kLanes], int lane) {
    Reg acc[R][kVectors];
    LW_UNROLL for (int r = 0; r < R; ++r) {
      LW_UNROLL for (int v = 0; v < kVectors; ++v) acc[r][v] = V::zero();
    }
    for (int64_t k = 0; k < inputs; ++k, bytes += kLanes) {
      if (ahead) V::prefetch(bytes + kAhead);
      Reg x[R];
      LW_UNROLL for (int r = 0; r < R; ++r) x[r] = V::set1(in[r][first + k]);
      LW_UNROLL for (int v = 0; v < kVectors; ++v) {
        const Reg w = V::toFloat(V::loadSignedBytes(bytes + v * V::kWidth));
        LW_UNROLL for (int r = 0; r < R; ++r) acc[r][v] = V::fma(x[r], w, acc[r][v]);
      }
    }
    LW_UNROLL for (int v = 0; v < kVectors; ++v) {
      const Reg scale = V::loadBFloat16(scales + v * V::kWidth);
      LW_UNROLL for (int r = 0; r < R; ++r) {
        float* sum = &sums[r][lane + v * V::kWidth];
        V::store(sum, V::fma(acc[r][v], scale, V::load(sum)));
      }
    }
  }
};

template <class V>
void weightOnlyPanel(const FullyConnectedPlan& p, const uint8_t* panel, const float* bias,
                     int64_t outputs, const FullyConnectedRows& rows) {
  switch (rows.count) {
    case 1:
      return WeightOnlyRows<V, 1>::run(p, panel, bias, outputs, rows);
    case 2:
      return WeightOnlyRows<V, 2>::run(p, panel, bias, outputs, rows);
    case 3:
      return WeightOnlyRows<V, 3>::run(p, panel, bias, outputs, rows);
    default:
      return WeightOnlyRows<V, 4>::run(p, panel, bias, outputs, rows);
  }
}

}  // namespace
}  // namespace layerwise::cpu
