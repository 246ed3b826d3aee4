#pragma once

#include <cstdint>
#include <vector>

namespace layerwise {

/// Weights in 8 bits: symmetric, one scale an output channel, whose largest is 127 or -127.
struct QuantizedKernel {
  std::vector<std::int8_t> values;
  std::vector<float> scales;  ///< one an output channel
  /// What the values stand for.
  std::vector<double> numbers() const;
};

/// The nearest of -127...127.
std::int8_t quantizeWeight(double weight, float scale);
/// Every weight to the nearest; `kernel` holds one output channel after the other.
QuantizedKernel quantizeKernel(const std::vector<double>& kernel, std::int64_t outputs);

}  // namespace layerwise
