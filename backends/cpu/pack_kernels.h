#pragma once

#include <cstdint>

#include "backends/cpu/isa.h"

namespace layerwise::cpu {

/// A block of output channels' weights: (channels, inputs, taps). Packed, a row holds a word of 4
/// bytes of each of `lanes` output channels, zeros behind those that there are.
struct PackPlan {
  int64_t channels = 0, lanes = 0;
  int64_t inputs = 0, taps = 1;
  /// Not for Winograd's: of each row, which of the packed ones it is; null: they keep their order.
  const int64_t* order = nullptr;
  /// Of float32: whether whole lines go past the caches where rows that follow one another are far
  /// apart in time.
  bool streams = false;
};

/// Of some weights: the sums of those above zero and of those below.
struct SignedSums {
  int64_t positive = 0, negative = 0;
};

constexpr int64_t kMostTaps = 64;  ///< that the kernels of reduced types take

/// What turns weights into the order that convolutions read them in. Every instruction set gives
/// the same bits.
struct PackKernels {
  /// Row (tap, input) of the block, for weights of any four bytes.
  void (*rows)(const PackPlan&, const float* weights, float* packed);
  /// Row (element, input) of 3x3 weights transformed for F(2,3) and F(4,3).
  void (*winograd2)(const PackPlan&, const float* weights, float* packed);
  void (*winograd4)(const PackPlan&, const float* weights, float* packed);
  /// Row (tap, input / 2) of pairs rounded to bfloat16; inputs is even, taps are kMostTaps or
  /// fewer.
  void (*pairs)(const PackPlan&, const float* weights, float* packed);
  /// The codes of such pairs (companded_weights.h) of up to 16 channels, lanes are 16. Two rows
  /// share 64 bytes: 8 of each in turn.
  void (*companded)(const PackPlan&, const float* weights, float* scales, uint8_t* packed);
  /// Of all weights, and of the positive and the negative ones apart.
  int (*sum)(const int8_t* weights, int64_t count);
  SignedSums (*sums)(const int8_t* weights, int64_t count);
  /// Row (tap, input / 4) of bytes: inputs is a multiple of 4, taps are kMostTaps or fewer.
  void (*byteRows)(const PackPlan&, const int8_t* weights, float* packed);
  /// Row (element, input / 2) of 3x3 weights of bytes transformed by WinogradIntegers to 16 bits;
  /// inputs is a multiple of 4.
  void (*byteWinograd2)(const PackPlan&, const int8_t* weights, float* packed);
  void (*byteWinograd4)(const PackPlan&, const int8_t* weights, float* packed);
};

const PackKernels& packKernels(Isa isa);

/// What a sum of bytes times weights begins with, so that the bytes count from their zero point.
/// Weights are not read where that is 0.
int startOfSum(const PackKernels& kernels, const int8_t* weights, int64_t count, int inputZero);

}  // namespace layerwise::cpu
