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

QuantizedKernel quantizeKernel(const std::vector<double>& kernel, std::int64_t outputs,
                               const BytePairs* pairs) {
  std::size_t depth = kernel.size() / static_cast<std::size_t>(outputs);
  QuantizedKernel quantized;
  for (std::size_t o = 0; o < static_cast<std::size_t>(outputs); ++o) {
    std::span<const double> row(kernel.data() + o * depth, depth);
    double top = 0;
    for (double weight : row) top = std::max(top, std::abs(weight));
    auto partner = [&](std::size_t i) { return pairs ? pairs->partner(i) : std::nullopt; };
    // Of a pair whose numbers together are at most kMost, one is rounded down.
    double largest = top / 127;
    for (std::size_t i = 0; i < depth; ++i)
      if (auto other = partner(i); other && row[i] * row[*other] > 0)
        largest = std::max(largest, std::abs(row[i] + row[*other]) / BytePairs::kMost);
    auto scale = static_cast<float>(largest);
    if (!(scale > 0) || !std::isfinite(1 / scale)) scale = 1;
    for (double weight : row) quantized.values.push_back(quantizeWeight(weight, scale));
    std::span<std::int8_t> values = std::span(quantized.values).last(depth);
    // A scale that is not a float32 may leave a pair one too large.
    for (std::size_t i = 0; i < depth; ++i)
      if (auto other = partner(i); other && !BytePairs::fits(values[i], values[*other]))
        values[i] = static_cast<std::int8_t>(values[i] > 0 ? values[i] - 1 : values[i] + 1);
    quantized.scales.push_back(scale);
  }
  return quantized;
}

}  // namespace layerwise
