#pragma once

#include <vector>

#include "engine/tactic.h"

namespace layerwise {

/// A convolution-like node and what follows it that it can do on its way out: an activation, the
/// addition of a residual, or both in either order.
struct FusedNodes {
  std::vector<NodeId> nodes;
  ValueId output = kNone;
  ValueId residual = kNone;                ///< kNone: nothing is added
  const Activation* activation = nullptr;  ///< nullptr: none
  bool residualFirst = false;              ///< activation(x + residual)
};

/// The one node that uses a value, or kNone where there are others or the value leaves the graph.
NodeId onlyConsumer(const Graph& graph, ValueId value);

/// The regions that begin at `node`, the node alone first, with activations that `takes` accepts.
/// Looks at values of one type and shape only.
std::vector<FusedNodes> fusedNodes(const MatchContext& context, NodeId node,
                                   bool (*takes)(const Activation&));

/// The same for nodes that fusedNodes gave, without the values.
FusedNodes fusedNodes(const Graph& graph, const std::vector<NodeId>& nodes);

}  // namespace layerwise
