#include "layerwise/metrics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "layerwise/error.h"
#include "tests/golden/procedural_numbers.h"

namespace layerwise {
namespace {

struct Scene {
  std::vector<LabelledBox> labels;
  std::vector<Detection> detections;
};

/// A few labels, jittered and mislabelled detections of them, and detections of nothing.
Scene proceduralScene(ProceduralBytes& bytes) {
  Scene scene;
  const int labelCount = bytes.next() % 6;
  for (int i = 0; i < labelCount; ++i) {
    const int classId = bytes.next() % 3;
    const auto x = static_cast<float>(bytes.next());
    const auto y = static_cast<float>(bytes.next());
    const auto width = static_cast<float>(20 + bytes.next() % 64);
    const auto height = static_cast<float>(20 + bytes.next() % 64);
    scene.labels.push_back({classId, {x, y, x + width, y + height}});
  }
  const auto score = [&] { return static_cast<float>(bytes.next()) / 255.0f; };
  for (const LabelledBox& label : scene.labels) {
    for (int k = bytes.next() % 3; k > 0; --k) {
      Detection found;
      found.box = label.box;
      for (float* corner : {&found.box.x1, &found.box.y1, &found.box.x2, &found.box.y2}) {
        *corner += static_cast<float>(bytes.next() % 17 - 8);
      }
      found.score = score();
      found.classId = bytes.next() % 8 == 0 ? (label.classId + 1) % 3 : label.classId;
      scene.detections.push_back(found);
    }
  }
  for (int k = bytes.next() % 4; k > 0; --k) {
    Detection found;
    found.classId = bytes.next() % 4;
    const auto x = static_cast<float>(bytes.next());
    const auto y = static_cast<float>(bytes.next());
    found.box = {x, y, x + 30, y + 30};
    found.score = score();
    scene.detections.push_back(found);
  }
  std::stable_sort(scene.detections.begin(), scene.detections.end(),
                   [](const Detection& a, const Detection& b) { return a.score > b.score; });
  return scene;
}

// The numbers that YOLOv5 v7.0's process_batch() and ap_per_class() give for the same scenes.
TEST(DetectionMetrics, EqualsTheReference) {
  ProceduralBytes bytes(9);
  DetectionMetrics metrics;
  for (int image = 0; image < 6; ++image) {
    const Scene scene = proceduralScene(bytes);
    metrics.add(scene.detections, scene.labels);
  }
  const DetectionReport report = metrics.report();
  constexpr double kTolerance = 1e-12;
  EXPECT_EQ(report.images, 6);
  EXPECT_EQ(report.labels, 12);
  EXPECT_NEAR(report.precision, 0.630063822327068, kTolerance);
  EXPECT_NEAR(report.recall, 0.25396825396825395, kTolerance);
  EXPECT_NEAR(report.map50, 0.3985157575757576, kTolerance);
  EXPECT_NEAR(report.map50To95, 0.17957876262626263, kTolerance);
  const ClassMetrics expected[] = {
      {0, 7, 0.9510237375382603, 0.42857142857142855, 0.6282272727272727, 0.3235162878787879},
      {1, 3, 0.9391677294429439, 0.3333333333333333, 0.5673199999999998, 0.21521999999999997},
      {2, 2, 0.0, 0.0, 0.0, 0.0}};
  ASSERT_EQ(report.classes.size(), 3u);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(report.classes[i].classId, expected[i].classId);
    EXPECT_EQ(report.classes[i].labels, expected[i].labels);
    EXPECT_NEAR(report.classes[i].precision, expected[i].precision, kTolerance);
    EXPECT_NEAR(report.classes[i].recall, expected[i].recall, kTolerance);
    EXPECT_NEAR(report.classes[i].ap50, expected[i].ap50, kTolerance);
    EXPECT_NEAR(report.classes[i].ap50To95, expected[i].ap50To95, kTolerance);
  }
}

TEST(DetectionMetrics, WithoutAnythingIsZero) {
  DetectionMetrics metrics;
  EXPECT_EQ(metrics.report().map50, 0.0);
  metrics.add({}, {});
  const LabelledBox label{3, {0, 0, 10, 10}};
  metrics.add({}, {&label, 1});
  const DetectionReport report = metrics.report();
  EXPECT_EQ(report.images, 2);
  EXPECT_EQ(report.labels, 1);
  EXPECT_EQ(report.map50, 0.0);
  ASSERT_EQ(report.classes.size(), 1u);
  EXPECT_EQ(report.classes[0].classId, 3);
}

TEST(DetectionMetrics, OneLabelCountsOnce) {
  const LabelledBox label{0, {0, 0, 10, 10}};
  const Detection twice[] = {{{0, 0, 10, 10}, 0.9f, 0, 0}, {{0, 0, 10, 9}, 0.8f, 0, 1}};
  DetectionMetrics metrics;
  metrics.add(twice, {&label, 1});
  const DetectionReport report = metrics.report();
  EXPECT_NEAR(report.map50, 0.995, 1e-12);  // what the reference gives for all right
  EXPECT_NEAR(report.recall, 1.0, 1e-12);
}

TEST(TopClasses, AreOrderedAndNormalised) {
  const std::vector<float> logits{1.0f, 3.0f, 3.0f, -1.0f};
  const auto best = topClasses(logits, 3);
  ASSERT_EQ(best.size(), 3u);
  EXPECT_EQ(best[0].classId, 1);
  EXPECT_EQ(best[1].classId, 2);
  EXPECT_EQ(best[2].classId, 0);
  const double sum = 2 * std::exp(3.0) + std::exp(1.0) + std::exp(-1.0);
  EXPECT_NEAR(best[0].probability, std::exp(3.0) / sum, 1e-6);
  EXPECT_EQ(topClasses(logits, 9).size(), 4u);
  EXPECT_TRUE(topClasses({}, 5).empty());
}

TEST(TopAccuracy, CountsFirstAndFifth) {
  const std::vector<float> logits{0, 1, 2, 3, 4, 5, 6};
  TopAccuracy accuracy;
  EXPECT_EQ(accuracy.top1(), 0.0);
  for (int label : {6, 2, 1, 6}) accuracy.add(logits, label);
  EXPECT_EQ(accuracy.images(), 4);
  EXPECT_EQ(accuracy.top1(), 0.5);
  EXPECT_EQ(accuracy.top5(), 0.75);
  EXPECT_THROW(accuracy.add(logits, 7), Error);
  EXPECT_THROW(accuracy.add(logits, -1), Error);
}

// The numbers that TuSimple's lane.py gives for the same lanes.
TEST(EvaluateLanes, EqualsTheReference) {
  std::vector<int> rows;
  for (int y = 160; y < 720; y += 10) rows.push_back(y);
  ProceduralBytes bytes(5);
  std::vector<SampledLane> truth;
  for (int lane = 0; lane < 5; ++lane) {
    const std::size_t start = bytes.next() % 12;
    const int x = 200 + 4 * bytes.next();
    const double slope = (bytes.next() - 128) / 64.0;
    SampledLane points;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const int at = std::max(-2, x + static_cast<int>(slope * (rows[i] - 400)));
      points.push_back(i < start ? -2 : at);
    }
    truth.push_back(points);
  }
  std::vector<SampledLane> found;
  for (int lane = 0; lane < 4; ++lane) {
    found.emplace_back();
    for (int x : truth[lane]) found.back().push_back(x < 0 ? x : x + bytes.next() % 41 - 20);
  }
  found.emplace_back();
  for (std::size_t i = 0; i < rows.size(); ++i) found.back().push_back(bytes.next() * 4);

  struct Case {
    std::size_t found, truth;
    double accuracy, falsePositives, falseNegatives;
  };
  constexpr Case kCases[] = {{5, 5, 0.9910714285714287, 0.2, 0.0},
                             {3, 4, 0.8125, 0.0, 0.25},
                             {5, 2, 0.0, 0.0, 1.0},
                             {0, 3, 0.0, 0.0, 1.0},
                             {4, 0, 0.0, 0.0, 1.0},
                             {2, 0, 0.0, 1.0, 0.0},
                             {4, 4, 0.9910714285714286, 0.0, 0.0}};
  for (const Case& c : kCases) {
    const LaneMetrics metrics =
        evaluateLanes({found.data(), c.found}, {truth.data(), c.truth}, rows);
    EXPECT_NEAR(metrics.accuracy, c.accuracy, 1e-12) << c.found << " " << c.truth;
    EXPECT_NEAR(metrics.falsePositives, c.falsePositives, 1e-12) << c.found << " " << c.truth;
    EXPECT_NEAR(metrics.falseNegatives, c.falseNegatives, 1e-12) << c.found << " " << c.truth;
  }
  found[0].pop_back();
  EXPECT_THROW(evaluateLanes(found, truth, rows), Error);
}

}  // namespace
}  // namespace layerwise
