#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>

#include "layerwise/metrics.h"

namespace layerwise {
namespace {

constexpr int kLevels = 10;
constexpr int kCurvePoints = 1000;
constexpr double kEps = 1e-16;
using Hits = std::array<bool, kLevels>;

/// torch.linspace(0.5, 0.95, 10) in float: from both ends to the middle.
std::array<float, kLevels> iouLevels() {
  std::array<float, kLevels> levels;
  const float step = (0.95f - 0.5f) / (kLevels - 1);
  for (int i = 0; i < kLevels; ++i) {
    levels[i] = i < kLevels / 2 ? 0.5f + step * static_cast<float>(i)
                                : 0.95f - step * static_cast<float>(kLevels - 1 - i);
  }
  return levels;
}

float iouOf(const Box& a, const Box& b) {
  constexpr float kIouEps = 1e-7f;
  const float width = std::max(std::min(a.x2, b.x2) - std::max(a.x1, b.x1), 0.0f);
  const float height = std::max(std::min(a.y2, b.y2) - std::max(a.y1, b.y1), 0.0f);
  const float overlap = width * height;
  const float areas = (a.x2 - a.x1) * (a.y2 - a.y1) + (b.x2 - b.x1) * (b.y2 - b.y1);
  return overlap / (areas - overlap + kIouEps);
}

/// numpy.interp: piecewise linear through (xs, ys), xs ascending with repetitions allowed.
double interpolate(double x, const std::vector<double>& xs, const std::vector<double>& ys,
                   double left) {
  if (x < xs.front()) return left;
  if (x >= xs.back()) return ys.back();
  const auto next = std::upper_bound(xs.begin(), xs.end(), x);
  const std::size_t i = static_cast<std::size_t>(next - xs.begin()) - 1;
  if (xs[i] == x) return ys[i];
  return (ys[i + 1] - ys[i]) / (xs[i + 1] - xs[i]) * (x - xs[i]) + ys[i];
}

/// The area under the envelope of the precision-recall curve, sampled at 101 recalls.
double averagePrecision(const std::vector<double>& recall, const std::vector<double>& precision) {
  std::vector<double> xs{0.0};
  std::vector<double> ys{1.0};
  xs.insert(xs.end(), recall.begin(), recall.end());
  ys.insert(ys.end(), precision.begin(), precision.end());
  xs.push_back(1.0);
  ys.push_back(0.0);
  for (std::size_t i = ys.size() - 1; i > 0; --i) ys[i - 1] = std::max(ys[i - 1], ys[i]);
  constexpr int kSamples = 101;
  double area = 0.0;
  double previous = 0.0;
  for (int i = 0; i < kSamples; ++i) {
    const double value = interpolate(static_cast<double>(i) / (kSamples - 1), xs, ys, ys.front());
    if (i > 0) area += (value + previous) / 2.0 / (kSamples - 1);
    previous = value;
  }
  return area;
}

/// The index of the maximum of the curve smoothed by a box filter, its ends held.
int smoothedMaximum(const std::vector<double>& curve) {
  constexpr double kShare = 0.1;
  const int half = static_cast<int>(std::nearbyint(kCurvePoints * kShare * 2)) / 2 / 2;
  const int width = 2 * half + 1;
  const int last = kCurvePoints - 1;
  int best = 0;
  double bestSum = -1.0;
  for (int i = 0; i <= last; ++i) {
    double sum = 0.0;
    for (int k = i - half; k <= i + half; ++k) sum += curve[std::clamp(k, 0, last)] / width;
    if (sum > bestSum) best = i, bestSum = sum;
  }
  return best;
}

struct Match {
  int label;
  int detection;
  float iou;
};

/// Which detections are right at one IoU: the best pair of each detection by IoU, then of each
/// label the pair whose detection comes first.
void matchLevel(const std::vector<Match>& pairs, float level, int levelIndex, int labelCount,
                std::vector<Hits>& hits) {
  std::vector<char> detectionTaken(hits.size(), 0);
  std::vector<int> bestDetection(static_cast<std::size_t>(labelCount), -1);
  for (const Match& pair : pairs) {  // by descending IoU
    if (!(pair.iou >= level) || detectionTaken[pair.detection]) continue;
    detectionTaken[pair.detection] = 1;
    int& best = bestDetection[pair.label];
    if (best < 0 || pair.detection < best) best = pair.detection;
  }
  for (int detection : bestDetection) {
    if (detection >= 0) hits[detection][levelIndex] = true;
  }
}

struct Scored {
  float score;
  int classId;
  Hits hits;
};

}  // namespace

struct DetectionMetrics::Impl {
  std::vector<Scored> found;
  std::map<int, std::int64_t> labels;  // a class
  std::int64_t images = 0;
};

DetectionMetrics::DetectionMetrics() : impl_(std::make_unique<Impl>()) {}
DetectionMetrics::~DetectionMetrics() = default;
DetectionMetrics::DetectionMetrics(DetectionMetrics&&) noexcept = default;
DetectionMetrics& DetectionMetrics::operator=(DetectionMetrics&&) noexcept = default;

void DetectionMetrics::add(std::span<const Detection> detections,
                           std::span<const LabelledBox> labels) {
  static const std::array<float, kLevels> kIous = iouLevels();
  ++impl_->images;
  std::vector<Match> pairs;
  for (std::size_t l = 0; l < labels.size(); ++l) {
    ++impl_->labels[labels[l].classId];
    for (std::size_t d = 0; d < detections.size(); ++d) {
      if (detections[d].classId != labels[l].classId) continue;
      const float iou = iouOf(labels[l].box, detections[d].box);
      if (iou >= kIous[0]) pairs.push_back({static_cast<int>(l), static_cast<int>(d), iou});
    }
  }
  std::stable_sort(pairs.begin(), pairs.end(),
                   [](const Match& a, const Match& b) { return a.iou < b.iou; });
  std::reverse(pairs.begin(), pairs.end());
  std::vector<Hits> hits(detections.size(), Hits{});
  for (int i = 0; i < kLevels; ++i) {
    matchLevel(pairs, kIous[i], i, static_cast<int>(labels.size()), hits);
  }
  for (std::size_t d = 0; d < detections.size(); ++d) {
    impl_->found.push_back({detections[d].score, detections[d].classId, hits[d]});
  }
}

DetectionReport DetectionMetrics::report() const {
  DetectionReport report;
  report.images = impl_->images;
  std::vector<Scored> found = impl_->found;
  std::stable_sort(found.begin(), found.end(),
                   [](const Scored& a, const Scored& b) { return a.score > b.score; });

  std::vector<std::vector<double>> precisions;  // a class, over confidences 0...1
  std::vector<std::vector<double>> recalls;
  std::vector<double> meanF1(kCurvePoints, 0.0);
  for (const auto& [classId, labels] : impl_->labels) {
    ClassMetrics metrics;
    metrics.classId = classId;
    metrics.labels = labels;
    report.labels += labels;
    std::vector<double> precisionCurve(kCurvePoints, 0.0);
    std::vector<double> recallCurve(kCurvePoints, 0.0);
    std::vector<double> negatedScores;
    for (const Scored& one : found) {
      if (one.classId == classId) negatedScores.push_back(-static_cast<double>(one.score));
    }
    for (int level = 0; level < kLevels && !negatedScores.empty(); ++level) {
      std::vector<double> recall;
      std::vector<double> precision;
      double right = 0.0;
      for (const Scored& one : found) {
        if (one.classId != classId) continue;
        right += one.hits[level];
        recall.push_back(right / (static_cast<double>(labels) + kEps));
        precision.push_back(right / static_cast<double>(precision.size() + 1));
      }
      const double ap = averagePrecision(recall, precision);
      metrics.ap50To95 += ap / kLevels;
      if (level > 0) continue;
      metrics.ap50 = ap;
      for (int i = 0; i < kCurvePoints; ++i) {
        const double x = -static_cast<double>(i) / (kCurvePoints - 1);
        recallCurve[i] = interpolate(x, negatedScores, recall, 0.0);
        precisionCurve[i] = interpolate(x, negatedScores, precision, 1.0);
      }
    }
    for (int i = 0; i < kCurvePoints; ++i) {
      const double p = precisionCurve[i];
      const double r = recallCurve[i];
      meanF1[i] += 2 * p * r / (p + r + kEps) / static_cast<double>(impl_->labels.size());
    }
    report.classes.push_back(metrics);
    precisions.push_back(std::move(precisionCurve));
    recalls.push_back(std::move(recallCurve));
  }

  // The reference reports zeros where not one detection is right.
  const bool anyRight = std::any_of(found.begin(), found.end(), [](const Scored& one) {
    return std::any_of(one.hits.begin(), one.hits.end(), [](bool hit) { return hit; });
  });
  if (!anyRight) return report;
  const int best = smoothedMaximum(meanF1);
  const double count = static_cast<double>(report.classes.size());
  for (std::size_t i = 0; i < report.classes.size(); ++i) {
    ClassMetrics& metrics = report.classes[i];
    metrics.precision = precisions[i][best];
    metrics.recall = recalls[i][best];
    report.precision += metrics.precision / count;
    report.recall += metrics.recall / count;
    report.map50 += metrics.ap50 / count;
    report.map50To95 += metrics.ap50To95 / count;
  }
  return report;
}

}  // namespace layerwise
