#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "layerwise/box.h"
#include "layerwise/export.h"

namespace layerwise {

// Ultra-Fast-Lane-Detection (Qin et al. 2020, cfzd/Ultra-Fast-Lane-Detection): the network divides
// each of some rows of the picture into cells and says for each lane in which cell it lies.

/// The network's output [cells + 1][rows][lanes], the last cell being "no lane here", and what its
/// rows mean.
struct LaneGrid {
  int cells = 100;
  int lanes = 4;
  /// The height of each row, top to bottom, for a picture scaled to `anchorHeight`.
  std::vector<int> rowAnchors;
  int anchorHeight = 288;
  int inputWidth = 800;

  int rows() const { return static_cast<int>(rowAnchors.size()); }
  std::int64_t logitCount() const { return (cells + std::int64_t{1}) * rows() * lanes; }
};
LAYERWISE_API LaneGrid tuSimpleGrid();  ///< 100 cells, 56 rows (64, 68 ... 284), 4 lanes
LAYERWISE_API LaneGrid cuLaneGrid();    ///< 200 cells, 18 rows (121 ... 287), 4 lanes
/// Any other grid, its rows spread evenly over first...last.
LAYERWISE_API LaneGrid evenLaneGrid(int cells, int rows, int lanes, int first = 64, int last = 284);

/// Where each lane lies, [rows][lanes], in cells counted from 1: the expectation over the softmax
/// of the cells; 0 where the background is the strongest.
LAYERWISE_API std::vector<double> laneCells(const LaneGrid& grid, std::span<const float> logits);

/// The points of each lane in a picture of width x height, bottom to top, as the authors' demo
/// draws them; a lane of fewer than three points is left empty. The result has grid.lanes entries.
LAYERWISE_API std::vector<std::vector<Point>> decodeLanes(const LaneGrid& grid,
                                                          std::span<const float> logits, int width,
                                                          int height);

/// The same in TuSimple's form, as the authors' evaluation writes it: x at each row anchor, -2
/// where there is no lane. The result has grid.lanes entries.
LAYERWISE_API std::vector<std::vector<int>> sampleLanes(const LaneGrid& grid,
                                                        std::span<const float> logits, int width);

/// The row anchors in a picture of that height: TuSimple's h_samples (160, 170 ... 710 for 720).
LAYERWISE_API std::vector<int> sampleRows(const LaneGrid& grid, int height);

}  // namespace layerwise
