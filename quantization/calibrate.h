#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/graph.h"
#include "layerwise/calibrator.h"
#include "quantization/layer_moments.h"

namespace layerwise {

/// Names that tell all the values of a graph apart, by ValueId: a value's own where no earlier one
/// has it.
std::vector<std::string> distinctNames(const Graph& graph);

struct CalibrationRun {
  int threads = 0;  ///< 0: one a core
  std::function<bool(double fraction, std::string_view phase)> progress;
};

/// What weights are multiplied with, by the name of the node.
using MomentsOf = std::map<std::string, LayerMoments>;

/// Runs a float32 engine of the graph on all of the calibrator's batches: asks it for the ranges of
/// `tensors`, by distinct name, and fills in the moments of those layers. Tensors that are `evened`
/// up to a bound have their extremes as ranges. Throws Error kInvalidArgument where there is no
/// batch.
CalibrationTable calibrate(const Graph& graph, const std::vector<ValueId>& tensors,
                           const std::set<ValueId>& evened, MomentsOf& moments,
                           Calibrator& calibrator, const CalibrationRun& run);

}  // namespace layerwise
