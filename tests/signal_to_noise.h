#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

namespace layerwise {

/// In decibels.
inline double signalToNoise(const std::vector<double>& want, const std::vector<double>& got) {
  double signal = 0, noise = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    signal += want[i] * want[i];
    noise += (want[i] - got[i]) * (want[i] - got[i]);
  }
  return 10 * std::log10(signal / noise);
}

}  // namespace layerwise
