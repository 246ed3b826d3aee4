#include "layerwise/nms.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "layerwise/error.h"

namespace layerwise {
namespace {

/// Part of the reference's arithmetic, since it rounds the corners.
constexpr float kClassOffset = NmsOptions::kClassOffset;

/// The largest float that is not above the limit: a float exceeds the one exactly when it exceeds
/// the other.
float floatLimit(double limit) {
  const auto rounded = static_cast<float>(limit);
  if (static_cast<double>(rounded) <= limit) return rounded;
  return std::nextafter(rounded, -std::numeric_limits<float>::infinity());
}

/// The boxes kept so far, an array a coordinate, so that one box is compared with many at once.
class KeptBoxes {
 public:
  bool anyOverlaps(const Box& box, float limit) const {
    const float boxArea = area(box);
    const std::size_t count = x1_.size();
    for (std::size_t begin = 0; begin < count; begin += kTogether) {
      const std::size_t end = std::min(begin + kTogether, count);
      float overlaps[kTogether];
      int meet = 0;
      for (std::size_t i = begin; i < end; ++i) {
        const float width = std::max(std::min(x2_[i], box.x2) - std::max(x1_[i], box.x1), 0.0f);
        const float height = std::max(std::min(y2_[i], box.y2) - std::max(y1_[i], box.y1), 0.0f);
        overlaps[i - begin] = width * height;
        meet |= width * height > 0.0f;
      }
      // Most boxes lie apart: the divisions are left out for them.
      if (!meet && limit >= 0.0f) continue;
      int hits = 0;
      for (std::size_t i = begin; i < end; ++i) {
        const float overlap = overlaps[i - begin];
        hits |= overlap / (area_[i] + boxArea - overlap) > limit;
      }
      if (hits) return true;
    }
    return false;
  }

  void add(const Box& box) {
    x1_.push_back(box.x1);
    y1_.push_back(box.y1);
    x2_.push_back(box.x2);
    y2_.push_back(box.y2);
    area_.push_back(area(box));
  }

 private:
  static constexpr std::size_t kTogether = 64;
  static float area(const Box& box) { return (box.x2 - box.x1) * (box.y2 - box.y1); }

  std::vector<float> x1_, y1_, x2_, y2_, area_;
};

struct Candidate {
  float score;
  int classId;
  std::int64_t row;
};

bool better(const Candidate& a, const Candidate& b) {
  if (a.score != b.score) return a.score > b.score;
  if (a.row != b.row) return a.row < b.row;
  return a.classId < b.classId;
}

/// The first of the largest scores, as std::max_element finds it, where that exceeds the threshold;
/// else -1.
int bestAbove(float threshold, std::span<const float> scores) {
  // Where a NaN comes first, max_element stays there.
  if (std::isnan(scores[0])) return -1;
  constexpr std::size_t kLanes = 16;
  float most[kLanes];
  std::fill_n(most, kLanes, threshold);
  std::size_t c = 0;
  for (; c + kLanes <= scores.size(); c += kLanes)
    for (std::size_t i = 0; i < kLanes; ++i)
      most[i] = scores[c + i] > most[i] ? scores[c + i] : most[i];
  for (; c < scores.size(); ++c) most[0] = scores[c] > most[0] ? scores[c] : most[0];
  const float best = *std::max_element(most, most + kLanes);
  if (!(best > threshold)) return -1;
  return static_cast<int>(std::find(scores.begin(), scores.end(), best) - scores.begin());
}

Box cornersOf(const float* row) {
  return {row[0] - row[2] / 2, row[1] - row[3] / 2, row[0] + row[2] / 2, row[1] + row[3] / 2};
}

std::vector<Candidate> collect(const float* rows, std::int64_t rowCount, int classCount, int extra,
                               const NmsOptions& options) {
  const std::int64_t rowSize = 5 + std::int64_t{classCount} + extra;
  std::vector<char> wanted(static_cast<std::size_t>(classCount), options.classes.empty());
  for (int id : options.classes) {
    if (id >= 0 && id < classCount) wanted[id] = 1;
  }
  const float threshold = options.confidence;
  std::vector<Candidate> candidates;
  std::vector<float> scores(static_cast<std::size_t>(classCount));
  for (std::int64_t r = 0; r < rowCount; ++r) {
    const float* row = rows + r * rowSize;
    const float objectness = row[4];
    if (!(objectness > threshold)) continue;
    for (int c = 0; c < classCount; ++c) scores[c] = row[5 + c] * objectness;
    if (options.multiLabel) {
      for (int c = 0; c < classCount; ++c) {
        if (scores[c] > threshold && wanted[c]) candidates.push_back({scores[c], c, r});
      }
    } else {
      const int best = bestAbove(threshold, scores);
      if (best >= 0 && wanted[best]) candidates.push_back({scores[best], best, r});
    }
  }
  return candidates;
}

void check(std::int64_t rowCount, int classCount, int extra, const NmsOptions& options) {
  const auto refuse = [](const std::string& why) {
    return Error(ErrorCode::kInvalidArgument, "[nms] " + why);
  };
  if (rowCount < 0 || classCount < 1 || extra < 0) {
    throw refuse(
        fmt::format("{} rows of {} classes and {} more values", rowCount, classCount, extra));
  }
  if (!(options.confidence >= 0.0f && options.confidence <= 1.0f)) {
    throw refuse(fmt::format("confidence {} is not in 0...1", options.confidence));
  }
  if (!(options.iou >= 0.0 && options.iou <= 1.0)) {
    throw refuse(fmt::format("iou {} is not in 0...1", options.iou));
  }
  if (options.maxDetections < 0 || options.maxCandidates < 0) {
    throw refuse(fmt::format("at most {} detections of {} candidates", options.maxDetections,
                             options.maxCandidates));
  }
}

/// Whether boxes of two classes can meet in spite of the offset between classes.
bool classesCanMeet(std::span<const Box> boxes) {
  float low = 0.0f;
  float high = 0.0f;
  for (const Box& box : boxes) {
    low = std::min({low, box.x1, box.x2});
    high = std::max({high, box.x1, box.x2});
  }
  return !(high - low < kClassOffset - 1.0f);
}

}  // namespace

std::vector<Detection> nonMaxSuppression(const float* rows, std::int64_t rowCount, int classCount,
                                         int extra, const NmsOptions& options) {
  check(rowCount, classCount, extra, options);
  std::vector<Candidate> candidates = collect(rows, rowCount, classCount, extra, options);
  const auto limit = static_cast<std::size_t>(options.maxCandidates);
  if (candidates.size() > limit) {
    std::nth_element(candidates.begin(), candidates.begin() + options.maxCandidates,
                     candidates.end(), better);
    candidates.resize(limit);
  }
  std::sort(candidates.begin(), candidates.end(), better);

  const std::int64_t rowSize = 5 + std::int64_t{classCount} + extra;
  std::vector<Box> boxes(candidates.size());
  for (std::size_t i = 0; i < boxes.size(); ++i) {
    boxes[i] = cornersOf(rows + candidates[i].row * rowSize);
  }
  const bool together = options.agnostic || classesCanMeet(boxes);
  std::vector<KeptBoxes> kept(together ? 1 : static_cast<std::size_t>(classCount));
  const float iou = floatLimit(options.iou);
  std::vector<Detection> detections;
  for (std::size_t i = 0; i < boxes.size(); ++i) {
    if (detections.size() >= static_cast<std::size_t>(options.maxDetections)) break;
    const Candidate& candidate = candidates[i];
    const float offset =
        options.agnostic ? 0.0f : static_cast<float>(candidate.classId) * kClassOffset;
    const Box& box = boxes[i];
    const Box apart{box.x1 + offset, box.y1 + offset, box.x2 + offset, box.y2 + offset};
    KeptBoxes& rivals = kept[together ? 0 : static_cast<std::size_t>(candidate.classId)];
    if (rivals.anyOverlaps(apart, iou)) continue;
    rivals.add(apart);
    detections.push_back({box, candidate.score, candidate.classId, candidate.row});
  }
  return detections;
}

std::vector<int> nms(std::span<const Box> boxes, std::span<const float> scores, double iou,
                     int maxKept) {
  if (boxes.size() != scores.size()) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("[nms] {} boxes and {} scores", boxes.size(), scores.size()));
  }
  std::vector<int> order(boxes.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return scores[a] > scores[b]; });
  KeptBoxes kept;
  const float limit = floatLimit(iou);
  std::vector<int> indices;
  for (int i : order) {
    if (maxKept > 0 && static_cast<int>(indices.size()) >= maxKept) break;
    if (kept.anyOverlaps(boxes[i], limit)) continue;
    kept.add(boxes[i]);
    indices.push_back(i);
  }
  return indices;
}

}  // namespace layerwise
