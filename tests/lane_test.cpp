#include "layerwise/lane.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "layerwise/error.h"
#include "tests/golden/procedural_image.h"

namespace layerwise {
namespace {

/// Noise in which lane 1 is often absent, lane 2 always, and lane 3 has two points only.
std::vector<float> proceduralLogits(const LaneGrid& grid) {
  std::vector<float> logits(static_cast<std::size_t>(grid.logitCount()));
  ProceduralBytes bytes(3);
  for (float& logit : logits) logit = static_cast<float>(bytes.next()) / 16.0f;
  for (int row = 0; row < grid.rows(); ++row) {
    float* background = &logits[(std::size_t(grid.cells) * grid.rows() + row) * grid.lanes];
    background[1] += 12.0f;
    background[2] = 99.0f;
    background[3] = row < grid.rows() - 2 ? 99.0f : 0.0f;
  }
  return logits;
}

struct Expected {
  std::vector<std::size_t> counts;
  Point first, last;
  std::uint32_t pointsCrc, samplesCrc;
};

// Made with the authors' demo.py and evaluation (cfzd/Ultra-Fast-Lane-Detection) in numpy.
void expectReference(const LaneGrid& grid, int width, int height, const Expected& expected) {
  const std::vector<float> logits = proceduralLogits(grid);
  std::vector<float> flat;
  const auto lanes = decodeLanes(grid, logits, width, height);
  ASSERT_EQ(lanes.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(lanes[i].size(), expected.counts[i]);
    for (const Point& point : lanes[i]) flat.insert(flat.end(), {point.x, point.y});
  }
  ASSERT_FALSE(flat.empty());
  EXPECT_EQ(flat[0], expected.first.x);
  EXPECT_EQ(flat[1], expected.first.y);
  EXPECT_EQ(flat[flat.size() - 2], expected.last.x);
  EXPECT_EQ(flat[flat.size() - 1], expected.last.y);
  EXPECT_EQ(crcOf(flat), expected.pointsCrc);

  std::vector<std::int32_t> samples;
  for (const auto& lane : sampleLanes(grid, logits, width)) {
    samples.insert(samples.end(), lane.begin(), lane.end());
  }
  EXPECT_EQ(crcOf(samples), expected.samplesCrc);
}

TEST(Lanes, EqualTheAuthorsDecodeOnTuSimple) {
  expectReference(tuSimpleGrid(), 1280, 720,
                  {{55, 12, 0, 0}, {632, 709}, {691, 189}, 0xc4b731e6, 0xe09bc76b});
}

TEST(Lanes, EqualTheAuthorsDecodeOnCuLane) {
  expectReference(cuLaneGrid(), 1640, 590,
                  {{18, 7, 0, 0}, {926, 586}, {699, 246}, 0xf2d2e823, 0x40f66ae8});
}

TEST(Lanes, ACertainCellIsFoundWhereItIs) {
  const LaneGrid grid = evenLaneGrid(20, 5, 2, 100, 180);
  std::vector<float> logits(static_cast<std::size_t>(grid.logitCount()), -200.0f);
  for (int row = 0; row < 5; ++row) logits[(7 * 5 + row) * 2] = 200.0f;       // cell 7, lane 0
  for (int row = 0; row < 5; ++row) logits[(20 * 5 + row) * 2 + 1] = 200.0f;  // background
  const std::vector<double> cells = laneCells(grid, logits);
  for (int row = 0; row < 5; ++row) {
    EXPECT_DOUBLE_EQ(cells[row * 2], 8.0);
    EXPECT_EQ(cells[row * 2 + 1], 0.0);
  }
  const auto lanes = decodeLanes(grid, logits, 800, 288);
  ASSERT_EQ(lanes[0].size(), 5u);
  EXPECT_EQ(lanes[0][0].x, std::trunc(8.0 * 799.0 / 19.0) - 1);
  EXPECT_EQ(lanes[0][0].y, 179);
  EXPECT_EQ(lanes[0][4].y, 99);
  EXPECT_TRUE(lanes[1].empty());
}

TEST(Lanes, TuSimpleRowsAreItsSampleRows) {
  const std::vector<int> rows = sampleRows(tuSimpleGrid(), 720);
  ASSERT_EQ(rows.size(), 56u);
  for (int i = 0; i < 56; ++i) EXPECT_EQ(rows[i], 160 + 10 * i);
}

TEST(Lanes, RefuseAGridThatDoesNotFit) {
  const LaneGrid grid = tuSimpleGrid();
  std::vector<float> logits(static_cast<std::size_t>(grid.logitCount()) - 1);
  EXPECT_THROW(laneCells(grid, logits), Error);
  EXPECT_THROW(laneCells(LaneGrid{}, {}), Error);
}

}  // namespace
}  // namespace layerwise
