#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "engine/graph.h"
#include "layerwise/calibrator.h"
#include "passes/quantization.h"
#include "quantization/calibrate.h"

namespace layerwise {

/// What 8 bits add on the average to the numbers that a layer reads, by the name of its node: one
/// number a channel, for a fully connected layer one an input. Behind a ReLU most numbers are small
/// and fewer the larger, so that rounding, and what a range cuts off, does not even out.
using InputErrors = std::map<std::string, std::vector<double>>;

/// Measured on the batches, by a float32 engine of the graph, for those layers that read a tensor
/// with a range.
InputErrors inputErrors(const Graph& graph, const std::vector<NodeId>& layers,
                        const RangeOf& rangeOf, std::span<const CalibrationBatch> batches,
                        const CalibrationRun& run);

}  // namespace layerwise
