#include "layerwise/nms.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "layerwise/error.h"

namespace layerwise {
namespace {

constexpr int kClasses = 21;
constexpr int kExtra = 2;
constexpr int kRowSize = 5 + kClasses + kExtra;

std::vector<float> row(float cx, float cy, float w, float h, float objectness,
                       std::vector<float> classes) {
  std::vector<float> values{cx, cy, w, h, objectness};
  values.insert(values.end(), classes.begin(), classes.end());
  values.resize(5 + kClasses, 0.0f);
  values.resize(kRowSize, 7.0f);
  return values;
}

std::vector<float> join(const std::vector<std::vector<float>>& rows) {
  std::vector<float> all;
  for (const auto& r : rows) all.insert(all.end(), r.begin(), r.end());
  return all;
}

std::vector<Detection> run(const std::vector<float>& rows, const NmsOptions& options) {
  return nonMaxSuppression(rows.data(), static_cast<std::int64_t>(rows.size()) / kRowSize, kClasses,
                           kExtra, options);
}

/// The definition, written as plainly as possible: quadratic, all classes in one list.
std::vector<Detection> reference(const std::vector<float>& rows, const NmsOptions& options) {
  std::vector<Detection> all;
  for (std::size_t r = 0; r < rows.size() / kRowSize; ++r) {
    const float* v = &rows[r * kRowSize];
    if (!(v[4] > options.confidence)) continue;
    int best = 0;
    for (int c = 1; c < kClasses; ++c) {
      if (v[5 + c] * v[4] > v[5 + best] * v[4]) best = c;
    }
    for (int c = 0; c < kClasses; ++c) {
      if (!options.multiLabel && c != best) continue;
      const float score = v[5 + c] * v[4];
      if (!(score > options.confidence)) continue;
      if (!options.classes.empty() &&
          std::count(options.classes.begin(), options.classes.end(), c) == 0) {
        continue;
      }
      const Box box{v[0] - v[2] / 2, v[1] - v[3] / 2, v[0] + v[2] / 2, v[1] + v[3] / 2};
      all.push_back({box, score, c, static_cast<std::int64_t>(r)});
    }
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const Detection& a, const Detection& b) { return a.score > b.score; });
  if (static_cast<int>(all.size()) > options.maxCandidates) all.resize(options.maxCandidates);
  std::vector<Detection> kept;
  for (const Detection& d : all) {
    const auto shifted = [&](const Detection& x) {
      const float o = options.agnostic ? 0.0f : 7680.0f * static_cast<float>(x.classId);
      return Box{x.box.x1 + o, x.box.y1 + o, x.box.x2 + o, x.box.y2 + o};
    };
    const Box a = shifted(d);
    const bool suppressed = std::any_of(kept.begin(), kept.end(), [&](const Detection& k) {
      const Box b = shifted(k);
      const float w = std::max(0.0f, std::min(a.x2, b.x2) - std::max(a.x1, b.x1));
      const float h = std::max(0.0f, std::min(a.y2, b.y2) - std::max(a.y1, b.y1));
      const float overlap = w * h;
      const float both = (b.x2 - b.x1) * (b.y2 - b.y1) + (a.x2 - a.x1) * (a.y2 - a.y1) - overlap;
      return static_cast<double>(overlap / both) > options.iou;
    });
    if (!suppressed) kept.push_back(d);
  }
  if (static_cast<int>(kept.size()) > options.maxDetections) kept.resize(options.maxDetections);
  return kept;
}

TEST(Nms, ComputesCornersAndScore) {
  const auto found = run(row(100, 50, 20, 10, 0.5f, {0.1f, 0.9f, 0.2f, 0.0f}), {});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].box.x1, 90.0f);
  EXPECT_EQ(found[0].box.y1, 45.0f);
  EXPECT_EQ(found[0].box.x2, 110.0f);
  EXPECT_EQ(found[0].box.y2, 55.0f);
  EXPECT_EQ(found[0].score, 0.9f * 0.5f);
  EXPECT_EQ(found[0].classId, 1);
  EXPECT_EQ(found[0].row, 0);
}

TEST(Nms, ThresholdIsExclusive) {
  NmsOptions options;
  options.confidence = 0.5f;
  EXPECT_TRUE(run(row(9, 9, 9, 9, 0.5f, {1, 0, 0, 0}), options).empty());
  EXPECT_TRUE(run(row(9, 9, 9, 9, 1.0f, {0.5f, 0, 0, 0}), options).empty());
  EXPECT_EQ(run(row(9, 9, 9, 9, 1.0f, {0.51f, 0, 0, 0}), options).size(), 1u);
}

TEST(Nms, OverlapEqualToTheLimitIsKept) {
  // Two boxes of 30 x 10, shifted by a third of their width: intersection over union is 1/2.
  const auto rows =
      join({row(100, 50, 30, 10, 0.9f, {1, 0, 0, 0}), row(110, 50, 30, 10, 0.8f, {1, 0, 0, 0})});
  NmsOptions options;
  options.iou = 0.5;
  EXPECT_EQ(run(rows, options).size(), 2u);
  options.iou = 0.499;
  EXPECT_EQ(run(rows, options).size(), 1u);
}

TEST(Nms, ClassesSuppressEachOtherOnlyWhenAgnostic) {
  const auto rows =
      join({row(100, 50, 30, 10, 0.8f, {1, 0, 0, 0}), row(100, 50, 30, 10, 0.9f, {0, 1, 0, 0})});
  NmsOptions options;
  EXPECT_EQ(run(rows, options).size(), 2u);
  options.agnostic = true;
  const auto found = run(rows, options);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].classId, 1);
}

TEST(Nms, FilterComesBeforeSuppression) {
  const auto rows =
      join({row(100, 50, 30, 10, 0.8f, {1, 0, 0, 0}), row(100, 50, 30, 10, 0.9f, {0, 1, 0, 0})});
  NmsOptions options;
  options.agnostic = true;
  options.classes = {0, 77};
  const auto found = run(rows, options);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].classId, 0);
}

TEST(Nms, TiesKeepTheOrderOfRowsAndClasses) {
  const auto rows =
      join({row(100, 50, 9, 9, 0.8f, {0, 1, 1, 0}), row(300, 50, 9, 9, 0.8f, {1, 0, 0, 0})});
  NmsOptions options;
  EXPECT_EQ(run(rows, options)[0].classId, 1);
  options.multiLabel = true;
  const auto found = run(rows, options);
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].classId, 1);
  EXPECT_EQ(found[1].classId, 2);
  EXPECT_EQ(found[2].row, 1);
}

TEST(Nms, NotANumberIsNoDetection) {
  const float nan = std::nanf("");
  EXPECT_TRUE(run(row(9, 9, 9, 9, nan, {1, 1, 1, 1}), {}).empty());
  // The largest of numbers, as std::max_element finds it: a NaN in front is it, others are not.
  EXPECT_TRUE(run(row(9, 9, 9, 9, 1, {nan, 1}), {}).empty());
  EXPECT_EQ(run(row(9, 9, 9, 9, 1, {0.5f, nan, 0.7f}), {}).at(0).classId, 2);
}

TEST(PlainNms, ALimitBelowZeroKeepsOne) {
  const std::vector<Box> boxes{{0, 0, 10, 10}, {50, 50, 60, 60}};
  EXPECT_EQ(nms(boxes, std::vector<float>{0.5f, 0.9f}, -0.1), (std::vector<int>{1}));
}

TEST(Nms, EqualsTheDefinitionOnRandomRows) {
  std::mt19937 random(7);
  for (int trial = 0; trial < 60; ++trial) {
    // Every fifth trial has boxes so large that classes meet in spite of their offset.
    const float extent = trial % 5 == 4 ? 20000.0f : 640.0f;
    std::uniform_real_distribution<float> position(0.0f, extent);
    std::uniform_real_distribution<float> size(1.0f, extent * 0.4f);
    std::uniform_real_distribution<float> unit(0.0f, 1.0f);
    std::vector<float> rows;
    for (int i = 0; i < 300; ++i) {
      // Coarse scores make ties.
      const auto score = [&] { return std::round(unit(random) * 20.0f) / 20.0f; };
      std::vector<float> classScores(kClasses);
      for (float& value : classScores) value = score();
      const auto r =
          row(position(random), position(random), size(random), size(random), score(), classScores);
      rows.insert(rows.end(), r.begin(), r.end());
    }
    NmsOptions options;
    options.confidence = trial % 2 ? 0.001f : 0.3f;
    options.iou = trial % 3 ? 0.45 : 0.6;
    options.agnostic = trial % 7 == 0;
    options.multiLabel = trial % 2 == 1;
    options.maxCandidates = trial % 4 == 3 ? 100 : 30000;
    options.maxDetections = trial % 11 == 0 ? 5 : 300;
    if (trial % 6 == 5) options.classes = {1, 3};
    const auto expected = reference(rows, options);
    const auto found = run(rows, options);
    ASSERT_EQ(found.size(), expected.size()) << "trial " << trial;
    for (std::size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(found[i].row, expected[i].row);
      EXPECT_EQ(found[i].classId, expected[i].classId);
      EXPECT_EQ(found[i].score, expected[i].score);
      EXPECT_EQ(found[i].box.x1, expected[i].box.x1);
      EXPECT_EQ(found[i].box.y2, expected[i].box.y2);
    }
  }
}

TEST(Nms, RefusesWhatCannotBeMeant) {
  const auto rows = row(9, 9, 9, 9, 1, {1, 0, 0, 0});
  NmsOptions options;
  options.confidence = 1.5f;
  EXPECT_THROW(run(rows, options), Error);
  options = {};
  options.iou = -0.1;
  EXPECT_THROW(run(rows, options), Error);
  options = {};
  options.maxDetections = -1;
  EXPECT_THROW(run(rows, options), Error);
  EXPECT_THROW(nonMaxSuppression(rows.data(), 1, 0, 0), Error);
}

TEST(PlainNms, KeepsTheBest) {
  const std::vector<Box> boxes{{0, 0, 10, 10}, {1, 0, 11, 10}, {50, 50, 60, 60}};
  EXPECT_EQ(nms(boxes, std::vector<float>{0.5f, 0.9f, 0.1f}, 0.5), (std::vector<int>{1, 2}));
  EXPECT_EQ(nms(boxes, std::vector<float>{0.5f, 0.9f, 0.1f}, 0.5, 1), (std::vector<int>{1}));
  EXPECT_EQ(nms(boxes, std::vector<float>{0.5f, 0.9f, 0.1f}, 0.9), (std::vector<int>{1, 0, 2}));
  EXPECT_THROW(nms(boxes, std::vector<float>{0.5f}, 0.5), Error);
}

}  // namespace
}  // namespace layerwise
