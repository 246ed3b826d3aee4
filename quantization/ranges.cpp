#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "layerwise/calibrator.h"
#include "layerwise/error.h"

namespace layerwise {
namespace {

constexpr std::size_t kHalf = TensorHistogram::kBins / 2;
constexpr std::size_t kLevels = 256;  // of 8 bits

CalibratedRange cut(const TensorHistogram& histogram, double threshold) {
  return {std::max(histogram.min(), -threshold), std::min(histogram.max(), threshold)};
}

/// How many bins one side's values reach into.
std::size_t usedBins(const TensorHistogram& histogram) {
  double top = std::max(std::abs(histogram.min()), std::abs(histogram.max()));
  auto bins = static_cast<std::size_t>(std::ceil(top / histogram.binWidth()));
  return std::clamp<std::size_t>(bins, 1, kHalf);
}

/// Of the values in bins first...last - 1, those beyond being counted in the outermost ones: how
/// far the picture that kLevels levels give of them is from the values.
double divergence(const std::vector<std::int64_t>& bins, std::size_t first, std::size_t last,
                  std::int64_t below, std::int64_t above) {
  std::size_t count = last - first;
  double total = 0, pictured = 0, sum = 0;
  for (std::size_t i = first; i < last; ++i) total += static_cast<double>(bins[i]);
  pictured = total;
  total += static_cast<double>(below + above);
  if (pictured == 0) return std::numeric_limits<double>::infinity();
  for (std::size_t level = 0; level < kLevels; ++level) {
    std::size_t begin = first + level * count / kLevels,
                end = first + (level + 1) * count / kLevels;
    double values = 0, filled = 0;
    for (std::size_t i = begin; i < end; ++i) {
      values += static_cast<double>(bins[i]);
      filled += bins[i] > 0;
    }
    for (std::size_t i = begin; i < end; ++i) {
      double p = static_cast<double>(bins[i]);
      if (i == first) p += static_cast<double>(below);
      if (i == last - 1) p += static_cast<double>(above);
      if (p == 0) continue;
      // A bin that holds outliers alone has no picture: as rare as can be.
      double q = bins[i] > 0 ? values / filled / pictured : 1e-4 / pictured;
      sum += p / total * std::log(p / total / q);
    }
  }
  return sum;
}

/// The sum of the squared errors that the levels of a range make. 0 itself is exact.
double squaredError(const TensorHistogram& histogram, const CalibratedRange& range) {
  double quantum = (range.second - range.first) / static_cast<double>(kLevels - 1);
  double sum = 0;
  for (std::size_t i = 0; i < TensorHistogram::kBins; ++i) {
    if (histogram.bins()[i] == 0 || i == kHalf) continue;
    double x = (static_cast<double>(i) + 0.5) * histogram.binWidth() - histogram.limit();
    double beyond = std::max(range.first - x, x - range.second);
    double error = beyond > 0 ? beyond * beyond : quantum * quantum / 12;
    sum += static_cast<double>(histogram.bins()[i]) * error;
  }
  return sum;
}

}  // namespace

CalibratedRange minMaxRange(const TensorHistogram& histogram) {
  return {histogram.min(), histogram.max()};
}

CalibratedRange percentileRange(const TensorHistogram& histogram, double percentile) {
  if (!(percentile > 0 && percentile <= 100))
    throw Error(ErrorCode::kInvalidArgument,
                "[calibrator] percentile " + std::to_string(percentile) + " is outside 0...100");
  if (histogram.count() == 0 || percentile == 100) return minMaxRange(histogram);
  double wanted = static_cast<double>(histogram.count()) * percentile / 100, seen = 0;
  for (std::size_t i = 0; i < kHalf; ++i) {
    auto here = static_cast<double>(histogram.bins()[kHalf + i] + histogram.bins()[kHalf - 1 - i]);
    if (seen + here >= wanted && here > 0)
      return cut(histogram,
                 (static_cast<double>(i) + (wanted - seen) / here) * histogram.binWidth());
    seen += here;
  }
  return minMaxRange(histogram);
}

CalibratedRange entropyRange(const TensorHistogram& histogram) {
  if (histogram.count() == 0 || histogram.limit() == 0) return minMaxRange(histogram);
  std::vector<std::int64_t> bins = histogram.bins();
  // Zeros are exact whatever the range; behind a ReLU they would outweigh everything else.
  bins[kHalf] = bins[kHalf + 1];
  std::size_t used = usedBins(histogram);
  bool negative = histogram.min()<0, positive = histogram.max()> 0;
  auto lowest = static_cast<std::ptrdiff_t>(std::floor(histogram.min() / histogram.binWidth()));
  auto highest = static_cast<std::ptrdiff_t>(std::ceil(histogram.max() / histogram.binWidth()));
  auto clampSide = [&](std::ptrdiff_t bin) {
    return static_cast<std::size_t>(static_cast<std::ptrdiff_t>(kHalf) + bin);
  };
  double best = std::numeric_limits<double>::infinity();
  std::size_t chosen = used;
  std::size_t step = std::max<std::size_t>(1, used / 1024);
  for (std::size_t t = kLevels / 2; t <= used; t += step) {
    auto reach = static_cast<std::ptrdiff_t>(t);
    std::size_t first = negative ? clampSide(std::max(lowest, -reach)) : kHalf;
    std::size_t last = positive ? clampSide(std::min(highest, reach)) : kHalf;
    if (last - first < kLevels) continue;
    auto sum = [&](std::size_t from, std::size_t to) {
      return std::accumulate(bins.begin() + static_cast<std::ptrdiff_t>(from),
                             bins.begin() + static_cast<std::ptrdiff_t>(to), std::int64_t{0});
    };
    double distance =
        divergence(bins, first, last, sum(0, first), sum(last, TensorHistogram::kBins));
    if (distance < best) {
      best = distance;
      chosen = t;
    }
  }
  return cut(histogram, (static_cast<double>(chosen) + 0.5) * histogram.binWidth());
}

CalibratedRange mseRange(const TensorHistogram& histogram) {
  const CalibratedRange widest{std::min(histogram.min(), 0.0), std::max(histogram.max(), 0.0)};
  if (histogram.count() == 0 || histogram.limit() == 0) return minMaxRange(histogram);
  constexpr int kSteps = 200;
  CalibratedRange best = widest;
  double least = squaredError(histogram, best);
  // One end after the other; the second time each knows of the other.
  for (int round = 0; round < 2; ++round)
    for (double CalibratedRange::*end : {&CalibratedRange::second, &CalibratedRange::first})
      for (int step = 1; step <= kSteps; ++step) {
        CalibratedRange tried = best;
        tried.*end = widest.*end * step / kSteps;
        if (double error = squaredError(histogram, tried); error < least)
          least = error, best = tried;
      }
  return best;
}

}  // namespace layerwise
