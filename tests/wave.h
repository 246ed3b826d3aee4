#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

namespace layerwise {

/// Numbers that come out the same everywhere and repeat late.
inline std::vector<float> wave(std::int64_t count, double frequency) {
  std::vector<float> values;
  for (std::int64_t i = 0; i < count; ++i)
    values.push_back(static_cast<float>(std::sin(frequency * static_cast<double>(i + 1))));
  return values;
}

}  // namespace layerwise
