#pragma once

#include <cstdint>
#include <vector>

#include "layers/byte_pairs.h"

namespace layerwise {

/// Weights in 8 bits: symmetric, one scale an output channel.
struct QuantizedKernel {
  std::vector<std::int8_t> values;
  std::vector<float> scales;  ///< one an output channel
  /// What the values stand for.
  std::vector<double> numbers() const;
};

/// The nearest of -127...127.
std::int8_t quantizeWeight(double weight, float scale);
/// Every weight to the nearest, an output channel's largest to 127 or -127; `kernel` holds one
/// output channel after the other. With `pairs`, scales are larger where a pair would not fit
/// otherwise, at most twice.
QuantizedKernel quantizeKernel(const std::vector<double>& kernel, std::int64_t outputs,
                               const BytePairs* pairs = nullptr);

}  // namespace layerwise
