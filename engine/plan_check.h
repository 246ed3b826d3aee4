#pragma once

#include "engine/graph.h"

namespace layerwise {

/// Validates a graph that comes from outside, connecting it on the way: indices, the numbers of
/// weights and outputs, names, inputs and their ranges, and the shapes of all values over the
/// profile. After it, the graph can be trusted like one that a builder made. Throws Error.
void checkGraph(Graph& graph);

}  // namespace layerwise
