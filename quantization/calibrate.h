#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/graph.h"
#include "layerwise/calibrator.h"

namespace layerwise {

/// Names that tell all the values of a graph apart, by ValueId: a value's own where no earlier one
/// has it.
std::vector<std::string> distinctNames(const Graph& graph);

struct CalibrationRun {
  int threads = 0;  ///< 0: one a core
  std::function<bool(double fraction, std::string_view phase)> progress;
};

/// Runs a float32 engine of the graph on all of the calibrator's batches and asks it for the ranges
/// of `tensors`; by distinct name. Throws Error kInvalidArgument where there is no batch.
CalibrationTable calibrate(const Graph& graph, const std::vector<ValueId>& tensors,
                           Calibrator& calibrator, const CalibrationRun& run);

}  // namespace layerwise
