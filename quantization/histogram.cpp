#include <algorithm>
#include <cmath>

#include "layerwise/calibrator.h"

namespace layerwise {

TensorHistogram::TensorHistogram() : bins_(kBins) {}

void TensorHistogram::grow(double to) {
  if (limit_ == 0) {
    // A tiny range would need no bins of its own: quantisation cannot tell it from zeros.
    limit_ = std::exp2(std::max(-100.0, std::ceil(std::log2(to))));
    return;
  }
  while (limit_ < to) {
    // Two neighbours become one, towards the middle.
    std::vector<std::int64_t> joined(kBins);
    for (std::size_t i = 0; i < kBins; ++i) joined[kBins / 4 + i / 2] += bins_[i];
    bins_ = std::move(joined);
    limit_ *= 2;
  }
}

void TensorHistogram::add(std::span<const float> values) {
  double low = min_, high = max_;
  bool first = count_ == 0;
  for (float value : values) {
    if (!std::isfinite(value)) continue;
    double x = value;
    low = first ? x : std::min(low, x);
    high = first ? x : std::max(high, x);
    first = false;
  }
  if (first) return;
  min_ = low, max_ = high;
  if (double top = std::max(std::abs(low), std::abs(high)); top > limit_) grow(top);
  double perBin = limit_ > 0 ? static_cast<double>(kBins) / 2 / limit_ : 0;
  for (float value : values) {
    if (!std::isfinite(value)) continue;
    double at = std::floor(value * perBin) + static_cast<double>(kBins) / 2;
    ++bins_[static_cast<std::size_t>(std::clamp(at, 0.0, static_cast<double>(kBins - 1)))];
    ++count_;
  }
}

}  // namespace layerwise
