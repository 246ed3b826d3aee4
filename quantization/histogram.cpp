#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "layerwise/calibrator.h"
#include "quantization/in_parts.h"

namespace layerwise {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// The least and the largest of the finite values; the first above the second where there is none.
std::pair<double, double> finiteExtremes(std::span<const float> values) {
  std::array<float, kPart> low, high;
  low.fill(kInfinity), high.fill(-kInfinity);
  inParts(values, [&](const float* part) {
    for (std::size_t i = 0; i < kPart; ++i) {
      const float small = ifFinite(part[i], kInfinity), large = ifFinite(part[i], -kInfinity);
      low[i] = small < low[i] ? small : low[i];
      high[i] = large > high[i] ? large : high[i];
    }
  });
  return {*std::min_element(low.begin(), low.end()), *std::max_element(high.begin(), high.end())};
}

}  // namespace

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
  const auto [low, high] = finiteExtremes(values);
  if (low > high) return;
  min_ = count_ ? std::min(min_, low) : low;
  max_ = count_ ? std::max(max_, high) : high;
  if (double top = std::max(std::abs(min_), std::abs(max_)); top > limit_) grow(top);
  // A power of two: the products are exact.
  const auto perBin =
      static_cast<float>(limit_ > 0 ? static_cast<double>(kBins) / 2 / limit_ : 0.0);
  constexpr auto kHalf = static_cast<std::int32_t>(kBins / 2);
  std::int64_t* const bins = bins_.data();
  std::int64_t counted = 0;
  inParts(values, [&](const float* part) {
    std::array<std::int32_t, kPart> at;
    for (std::size_t i = 0; i < kPart; ++i) {
      const float place = ifFinite(part[i], 0) * perBin;
      const auto truncated = static_cast<std::int32_t>(place);
      const std::int32_t floor = place < static_cast<float>(truncated) ? truncated - 1 : truncated;
      at[i] = floor < kHalf ? floor + kHalf : 2 * kHalf - 1;
    }
    for (std::size_t i = 0; i < kPart; ++i) {
      if (!std::isfinite(part[i])) continue;
      ++bins[at[i]];
      ++counted;
    }
  });
  count_ += counted;
}

}  // namespace layerwise
