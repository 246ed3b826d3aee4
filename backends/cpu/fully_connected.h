#pragma once

#include <cstdint>

#include "backends/cpu/epilogue.h"

namespace layerwise::cpu {

/// out[r] = activation(W in[r] + bias) for rows r, by dot products on the weights as they are,
/// `outputs` rows of `depth`: they are read once past a few rows of the input, neither packed nor
/// copied. That is what a layer needs whose weights are larger than its work.
struct FullyConnectedPlan {
  int64_t rows = 1, depth = 1, outputs = 1;
  Epilogue epilogue;

  // Chosen by bindFullyConnected.
  int64_t strip = 1, strips = 1;  ///< input rows of a unit of work
  int64_t block = 1, blocks = 1;  ///< outputs of a unit of work
  int64_t tiles() const { return blocks * strips; }
};

/// The most input rows that a weight meets when it is loaded.
constexpr int kMaxRows = 4;

/// Pointers of up to kMaxRows rows: to the input's first element, to the first output wanted.
struct FullyConnectedRows {
  const float* in[kMaxRows];
  float* out[kMaxRows];
  const float* residual[kMaxRows];  ///< null where there is none
  int count;
};

/// Chooses the partition for `threads` workers. The bits of the result do not depend on it.
FullyConnectedPlan bindFullyConnected(const FullyConnectedPlan& plan, int threads);

/// Computes outputs [first, first + outputs) of the rows. bias may be null. Reads nothing beyond
/// the weights; residuals may be read 64 bytes beyond their end.
using FullyConnectedKernel = void (*)(const FullyConnectedPlan& plan, const float* weights,
                                      const float* bias, int64_t first, int64_t outputs,
                                      const FullyConnectedRows& rows);

}  // namespace layerwise::cpu
