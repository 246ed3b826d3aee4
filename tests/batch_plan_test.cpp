#include "engine/batch_plan.h"

#include <gtest/gtest.h>

#include <random>

namespace layerwise {
namespace {

constexpr double kMegabyte = 1 << 20;

/// Steps in a row; tensor i lies between step i - 1 and step i, the first and the last are the
/// caller's.
struct Chain {
  std::vector<BatchAction> actions;
  std::vector<bool> external{true};

  void add(double imageBytes, double weightBytes, double flops, bool imageByImage = true) {
    const auto at = static_cast<int>(actions.size());
    actions.push_back(
        {imageByImage, flops, weightBytes, {{at, imageBytes}}, {{at + 1, imageBytes}}});
    if (at > 0) external.back() = false;
    external.push_back(true);
  }
  std::vector<BatchSegment> plan(std::int64_t batch, int workers) const {
    return planBatch(actions, external, {batch, workers, 1 << 20});
  }
};

void expectCover(const std::vector<BatchSegment>& segments, std::size_t actions,
                 std::int64_t batch) {
  int at = 0;
  for (const BatchSegment& segment : segments) {
    EXPECT_EQ(segment.first, at);
    EXPECT_GT(segment.end, at);
    EXPECT_GE(segment.images, 1);
    EXPECT_LE(segment.images, batch);
    at = segment.end;
  }
  EXPECT_EQ(at, static_cast<int>(actions));
}

TEST(BatchPlan, MapsThatLeaveTheCachesGoInLanes) {
  Chain chain;
  for (int i = 0; i < 6; ++i) chain.add(0.4 * kMegabyte, 1e5, 1e8);
  auto segments = chain.plan(8, 2);
  expectCover(segments, 6, 8);
  ASSERT_EQ(segments.size(), 1u);
  EXPECT_LT(segments[0].images, 8);
}

TEST(BatchPlan, LargeWeightsWithLittleToComputeAreReadOnceForAll) {
  Chain chain;
  for (int i = 0; i < 4; ++i) chain.add(0.4 * kMegabyte, 1e5, 1e8);
  chain.add(1e4, 20 * kMegabyte, 1e7);
  auto segments = chain.plan(8, 1);
  expectCover(segments, 5, 8);
  ASSERT_EQ(segments.size(), 2u);
  EXPECT_LT(segments[0].images, 8);
  EXPECT_EQ(segments[1].first, 4);
  EXPECT_EQ(segments[1].images, 8);
}

TEST(BatchPlan, WhatNeedsTheWholeBatchGetsIt) {
  Chain chain;
  for (int i = 0; i < 5; ++i) chain.add(0.4 * kMegabyte, 1e5, 1e8, i != 2);
  auto segments = chain.plan(8, 2);
  expectCover(segments, 5, 8);
  for (const BatchSegment& segment : segments) {
    if (segment.first <= 2 && 2 < segment.end) {
      EXPECT_EQ(segment.images, 8);
      EXPECT_EQ(segment.end - segment.first, 1);
    }
  }
}

TEST(BatchPlan, NoWorkerIsLeftIdleForLong) {
  Chain chain;
  for (int i = 0; i < 5; ++i) chain.add(0.4 * kMegabyte, 1e5, 1e10);
  // Two images and sixteen workers: lanes would keep fourteen waiting.
  for (const BatchSegment& segment : chain.plan(2, 16)) EXPECT_EQ(segment.images, 2);
}

TEST(BatchPlan, CoversAnyProgram) {
  std::mt19937 random(1);
  auto pick = [&](double most) { return most * static_cast<double>(random()) * 0x1p-32; };
  for (int round = 0; round < 200; ++round) {
    std::vector<BatchAction> actions(1 + random() % 30);
    std::vector<bool> external(1 + random() % 40);
    for (std::size_t i = 0; i < external.size(); ++i) external[i] = random() % 8 == 0;
    for (BatchAction& action : actions) {
      action = {random() % 6 != 0, pick(1e9), pick(1e7), {}, {}};
      for (auto* list : {&action.reads, &action.writes})
        for (std::size_t i = random() % 4; i > 0; --i)
          list->push_back({static_cast<int>(random() % external.size()), pick(4e6)});
    }
    const auto batch = static_cast<std::int64_t>(2 + random() % 40);
    const auto segments =
        planBatch(actions, external, {batch, static_cast<int>(1 + random() % 9), 1 << 20});
    expectCover(segments, actions.size(), batch);
    for (const BatchSegment& segment : segments)
      for (int i = segment.first; i < segment.end && segment.images < batch; ++i)
        EXPECT_TRUE(actions[static_cast<std::size_t>(i)].imageByImage);
  }
}

}  // namespace
}  // namespace layerwise
