#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string_view>

#include "layerwise/error.h"
#include "layerwise/metrics.h"

namespace layerwise {
namespace {

constexpr double kPixelThreshold = 20.0;
constexpr double kLaneThreshold = 0.85;

/// How far off a point may be along x: more for a flat lane, by the slope of the line fitted to it.
double thresholdOf(const SampledLane& lane, std::span<const int> rows) {
  double count = 0.0, meanX = 0.0, meanY = 0.0;
  for (std::size_t i = 0; i < lane.size(); ++i) {
    if (lane[i] < 0) continue;
    count += 1.0;
    meanX += lane[i];
    meanY += rows[i];
  }
  if (count < 2.0) return kPixelThreshold;
  meanX /= count;
  meanY /= count;
  double covariance = 0.0, variance = 0.0;
  for (std::size_t i = 0; i < lane.size(); ++i) {
    if (lane[i] < 0) continue;
    covariance += (lane[i] - meanX) * (rows[i] - meanY);
    variance += (rows[i] - meanY) * (rows[i] - meanY);
  }
  const double slope = variance > 0.0 ? covariance / variance : 0.0;
  return kPixelThreshold / std::cos(std::atan(slope));
}

double accuracyOf(const SampledLane& found, const SampledLane& truth, double threshold) {
  // Rows where neither has a point count as right.
  constexpr int kNowhere = -100;
  int right = 0;
  for (std::size_t i = 0; i < truth.size(); ++i) {
    const int a = found[i] >= 0 ? found[i] : kNowhere;
    const int b = truth[i] >= 0 ? truth[i] : kNowhere;
    right += std::abs(a - b) < threshold;
  }
  return truth.empty() ? 0.0 : static_cast<double>(right) / static_cast<double>(truth.size());
}

void checkLanes(std::span<const SampledLane> lanes, std::size_t rows, std::string_view which) {
  for (const SampledLane& lane : lanes) {
    if (lane.size() != rows) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("[lane metrics] a {} lane has {} points, there are {} sample rows",
                              which, lane.size(), rows));
    }
  }
}

}  // namespace

LaneMetrics evaluateLanes(std::span<const SampledLane> found, std::span<const SampledLane> truth,
                          std::span<const int> sampleRows) {
  constexpr std::size_t kLanes = 4;  // a fifth lane that is missed costs nothing
  checkLanes(found, sampleRows.size(), "found");
  checkLanes(truth, sampleRows.size(), "true");
  if (found.size() > truth.size() + 2) return {0.0, 0.0, 1.0};
  double sum = 0.0;
  double lowest = 1.0;
  double missed = 0.0;
  double matched = 0.0;
  for (const SampledLane& lane : truth) {
    const double threshold = thresholdOf(lane, sampleRows);
    double best = 0.0;
    for (const SampledLane& candidate : found) {
      best = std::max(best, accuracyOf(candidate, lane, threshold));
    }
    (best < kLaneThreshold ? missed : matched) += 1.0;
    sum += best;
    lowest = std::min(lowest, best);
  }
  if (truth.size() > kLanes) {
    if (missed > 0.0) missed -= 1.0;
    sum -= lowest;
  }
  const double counted = static_cast<double>(std::clamp<std::size_t>(truth.size(), 1, kLanes));
  const double foundCount = static_cast<double>(found.size());
  LaneMetrics metrics;
  metrics.accuracy = sum / counted;
  metrics.falsePositives = found.empty() ? 0.0 : (foundCount - matched) / foundCount;
  metrics.falseNegatives = missed / counted;
  return metrics;
}

}  // namespace layerwise
