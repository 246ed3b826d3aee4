#pragma once

#include "engine/graph.h"

namespace layerwise {

/// Device-neutral rewrites, one a file. Each keeps what the graph computes (up to rounding) and
/// returns whether it changed it. runPasses repeats them until none does.
bool removeIdentities(
    Graph& graph);  ///< identity layers, casts to the same type, reshapes to the same shape
bool foldConstants(Graph& graph);  ///< layers whose inputs are all constants
bool foldAffine(
    Graph& graph);  ///< batch norm and channel scale: to a scale, into the convolution before
bool mergeSiblings(Graph& graph);  ///< 1x1 convolutions of one input with the same activation: one
                                   ///< convolution and slices

void runPasses(Graph& graph);

}  // namespace layerwise
