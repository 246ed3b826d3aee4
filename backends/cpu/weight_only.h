#pragma once

#include <cstddef>
#include <cstdint>

#include "backends/cpu/fully_connected.h"
#include "backends/cpu/isa.h"

namespace layerwise::cpu {

/// Weight-only quantisation of a fully connected layer: its weights are signed bytes with a scale
/// in bfloat16 for each kGroup neighbouring inputs of an output, 8.5 bits a weight; activations and
/// sums are float32. The outputs are in panels of kPanelOutputs. A panel holds one group of inputs
/// after the other: the outputs' scales, then for each input the outputs' bytes.
struct WeightOnly {
  /// Normal weights have 45.7 dB of signal to noise in groups of 32, 44.8 dB in groups of 64.
  static constexpr int64_t kGroup = 32;
  static constexpr int64_t kPanelOutputs = 64;  ///< a cache line of bytes
  /// Layers of fewer weights are not worth their noise: in bfloat16, so many stay in a second-level
  /// cache of 2 MB.
  static constexpr int64_t kLeastWeights = (int64_t{1} << 20) + 1;
  /// What rounding may do to each output's weights: 40 dB of signal to noise, by the groups' steps.
  /// Normal weights have 45; few that are much larger than their neighbours would drown those.
  static constexpr float kMostNoise = 1e-4f;
  /// The largest magnitude of an output's weights, so that squares are ordinary numbers.
  static constexpr float kLargest = 0x1p60f, kSmallest = 0x1p-60f;

  static constexpr int64_t panels(int64_t outputs) {
    return (outputs + kPanelOutputs - 1) / kPanelOutputs;
  }
  static constexpr int64_t panelBytes(int64_t depth) {
    const int64_t groups = (depth + kGroup - 1) / kGroup;
    return kPanelOutputs * (depth + 2 * groups);
  }
};

/// An instruction set's. Weights are (outputs, depth); a panel has up to kPanelOutputs of them, is
/// 64-byte aligned, and has the same bits from every set.
struct WeightOnlyKernels {
  /// Whether rounding keeps within kMostNoise; not where a weight is not finite.
  bool (*fits)(const float* weights, int64_t depth, int64_t outputs);
  void (*pack)(const float* weights, int64_t depth, int64_t outputs, uint8_t* panel);
  /// Computes the panel's outputs, of which there are `outputs`; those of bias and rows are the
  /// panel's first. bias may be null. Activations times weights of zero are zero if finite, else
  /// NaN, also where a weight is zero by rounding.
  void (*run)(const FullyConnectedPlan& plan, const uint8_t* panel, const float* bias,
              int64_t outputs, const FullyConnectedRows& rows);
};

const WeightOnlyKernels& weightOnlyKernels(Isa isa);

}  // namespace layerwise::cpu
