#pragma once

#include <cstdint>

#include "backends/cpu/isa.h"

namespace layerwise::cpu {

/// A block of output channels' weights: (channels, inputs, taps) of 4 bytes each. Packed, a row
/// holds `lanes` output channels, zeros behind those that there are.
struct PackPlan {
  int64_t channels = 0, lanes = 0;
  int64_t inputs = 0, taps = 1;
};

/// Of some weights: the sums of those above zero and of those below.
struct SignedSums {
  int64_t positive = 0, negative = 0;
};

/// What turns weights into the order that convolutions read them in. Every instruction set gives
/// the same bits.
struct PackKernels {
  /// Row (tap, input) of the block, for any four bytes.
  void (*rows)(const PackPlan&, const float* weights, float* packed);
  /// Row (element, input) of 3x3 weights transformed for F(2,3) and F(4,3).
  void (*winograd2)(const PackPlan&, const float* weights, float* packed);
  void (*winograd4)(const PackPlan&, const float* weights, float* packed);
  SignedSums (*sums)(const int8_t* weights, int64_t count);
};

const PackKernels& packKernels(Isa isa);

}  // namespace layerwise::cpu
