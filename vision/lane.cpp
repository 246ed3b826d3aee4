#include "layerwise/lane.h"

#include <fmt/format.h>

#include <cmath>

#include "layerwise/error.h"

namespace layerwise {
namespace {

void check(const LaneGrid& grid, std::span<const float> logits) {
  if (grid.cells < 2 || grid.lanes < 1 || grid.rows() < 1 || grid.anchorHeight < 1) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("[lane grid] {} cells, {} rows, {} lanes, anchors for a height of {}",
                            grid.cells, grid.rows(), grid.lanes, grid.anchorHeight));
  }
  if (static_cast<std::int64_t>(logits.size()) != grid.logitCount()) {
    throw Error(ErrorCode::kInvalidShape,
                fmt::format("[lane grid] {} logits, {} needed ({}x{}x{})", logits.size(),
                            grid.logitCount(), grid.cells + 1, grid.rows(), grid.lanes));
  }
}

/// The distance of two cells in pixels of the network's input.
double cellWidth(const LaneGrid& grid) {
  return (grid.inputWidth - 1.0) / (grid.cells - 1.0);
}

}  // namespace

LaneGrid tuSimpleGrid() {
  return evenLaneGrid(100, 56, 4);
}

LaneGrid cuLaneGrid() {
  LaneGrid grid;
  grid.cells = 200;
  grid.rowAnchors = {121, 131, 141, 150, 160, 170, 180, 189, 199,
                     209, 219, 228, 238, 248, 258, 267, 277, 287};
  return grid;
}

LaneGrid evenLaneGrid(int cells, int rows, int lanes, int first, int last) {
  LaneGrid grid;
  grid.cells = cells;
  grid.lanes = lanes;
  for (int i = 0; i < rows; ++i) {
    const double share = rows > 1 ? static_cast<double>(i) / (rows - 1) : 0.0;
    grid.rowAnchors.push_back(static_cast<int>(std::lround(first + share * (last - first))));
  }
  return grid;
}

std::vector<double> laneCells(const LaneGrid& grid, std::span<const float> logits) {
  check(grid, logits);
  const std::size_t places = static_cast<std::size_t>(grid.rows()) * grid.lanes;
  std::vector<double> located(places, 0.0);
  for (std::size_t place = 0; place < places; ++place) {
    const auto logit = [&](int cell) { return logits[cell * places + place]; };
    int strongest = 0;
    for (int cell = 1; cell < grid.cells; ++cell) {
      if (logit(cell) > logit(strongest)) strongest = cell;
    }
    const double largest = logit(strongest);
    if (logit(grid.cells) > largest) continue;
    double sum = 0.0;
    double weighted = 0.0;
    for (int cell = 0; cell < grid.cells; ++cell) {
      const double weight = std::exp(logit(cell) - largest);
      sum += weight;
      weighted += weight * (cell + 1);
    }
    located[place] = weighted / sum;
  }
  return located;
}

std::vector<std::vector<Point>> decodeLanes(const LaneGrid& grid, std::span<const float> logits,
                                            int width, int height) {
  const std::vector<double> located = laneCells(grid, logits);
  constexpr int kFewestPoints = 3;
  std::vector<std::vector<Point>> lanes(static_cast<std::size_t>(grid.lanes));
  for (int lane = 0; lane < grid.lanes; ++lane) {
    std::vector<Point>& points = lanes[lane];
    for (int row = grid.rows() - 1; row >= 0; --row) {
      const double cell = located[std::size_t(row) * grid.lanes + lane];
      if (!(cell > 0.0)) continue;
      const double x = cell * cellWidth(grid) * width / grid.inputWidth;
      const double share = static_cast<double>(grid.rowAnchors[row]) / grid.anchorHeight;
      points.push_back({static_cast<float>(std::trunc(x) - 1),
                        static_cast<float>(std::trunc(height * share) - 1)});
    }
    if (points.size() < kFewestPoints) points.clear();
  }
  return lanes;
}

std::vector<std::vector<int>> sampleLanes(const LaneGrid& grid, std::span<const float> logits,
                                          int width) {
  constexpr int kNoLane = -2;
  const std::vector<double> located = laneCells(grid, logits);
  std::vector<std::vector<int>> lanes(static_cast<std::size_t>(grid.lanes));
  for (int lane = 0; lane < grid.lanes; ++lane) {
    for (int row = 0; row < grid.rows(); ++row) {
      const double cell = located[std::size_t(row) * grid.lanes + lane];
      // The evaluation counts cells from 0 and takes their middles.
      const double x = (cell - 1.0 + 0.5) * width / (grid.cells - 1.0);
      lanes[lane].push_back(cell > 0.0 ? static_cast<int>(std::nearbyint(x)) : kNoLane);
    }
  }
  return lanes;
}

std::vector<int> sampleRows(const LaneGrid& grid, int height) {
  std::vector<int> rows;
  for (int anchor : grid.rowAnchors) {
    rows.push_back(
        static_cast<int>(std::lround(static_cast<double>(anchor) * height / grid.anchorHeight)));
  }
  return rows;
}

}  // namespace layerwise
