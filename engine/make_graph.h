#pragma once

#include "engine/graph.h"

namespace layerwise {

struct NetworkState;

enum class WeightCopy { kCopy, kBorrow };

/// The first `layers` layers of a network as a graph; outputs that come out of later ones are left
/// out.
Graph makeGraph(const NetworkState& network, std::size_t layers, WeightCopy copy);

}  // namespace layerwise
