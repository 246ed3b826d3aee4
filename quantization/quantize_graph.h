#pragma once

#include "engine/graph.h"
#include "layerwise/builder.h"

namespace layerwise {

/// Finds the ranges as the configuration says and puts Quantize and Dequantize into the graph.
/// Throws Error kInvalidArgument where no layer could be quantised for want of ranges.
void quantizeGraph(Graph& graph, const BuilderConfig& config);

}  // namespace layerwise
