#include "passes/quantize_kernel.h"

#include <algorithm>
#include <cmath>
#include <span>

namespace layerwise {

std::vector<double> QuantizedKernel::numbers() const {
  std::vector<double> numbers;
  numbers.reserve(values.size());
  std::size_t depth = values.size() / scales.size();
  for (std::size_t i = 0; i < values.size(); ++i)
    numbers.push_back(double{scales[i / depth]} * values[i]);
  return numbers;
}

std::int8_t quantizeWeight(double weight, float scale) {
  return static_cast<std::int8_t>(std::clamp(std::nearbyint(weight / scale), -127.0, 127.0));
}

QuantizedKernel quantizeKernel(const std::vector<double>& kernel, std::int64_t outputs) {
  std::size_t depth = kernel.size() / static_cast<std::size_t>(outputs);
  QuantizedKernel quantized;
  for (std::size_t o = 0; o < static_cast<std::size_t>(outputs); ++o) {
    std::span<const double> row(kernel.data() + o * depth, depth);
    double top = 0;
    for (double weight : row) top = std::max(top, std::abs(weight));
    auto scale = static_cast<float>(top / 127);
    if (!(scale > 0) || !std::isfinite(1 / scale)) scale = 1;
    for (double weight : row) quantized.values.push_back(quantizeWeight(weight, scale));
    quantized.scales.push_back(scale);
  }
  return quantized;
}

}  // namespace layerwise
