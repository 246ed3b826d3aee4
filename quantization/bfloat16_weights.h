#pragma once

#include <span>

#include "engine/graph.h"

namespace layerwise {

/// Rounds the weights of the convolutions and fully connected layers among these nodes to bfloat16,
/// so that those of each output have the sum that they had: some that lie next to the middle go the
/// farther way. What such a layer reads has mostly one sign, behind ReLU or SiLU, so that errors of
/// one sign add up. Depthwise convolutions keep their weights: nobody multiplies them in pairs.
/// threads = 0: one a core.
void roundWeightsToBFloat16(Graph& graph, std::span<const NodeId> nodes, int threads);

}  // namespace layerwise
