#pragma once

#include <optional>
#include <vector>

#include "backends/cpu/epilogue.h"
#include "engine/tactic.h"

namespace layerwise::cpu {

/// What the kernels' epilogues call an activation; nothing for one they lack.
std::optional<Epilogue> epilogueOf(const layerwise::Activation& activation);

/// A convolution-like node and what follows it that its epilogue can do: an activation, the
/// addition of a residual, or both in either order.
struct FusedRegion {
  std::vector<NodeId> nodes;
  ValueId output = kNone;
  ValueId residual = kNone;  ///< kNone: nothing is added
  Epilogue epilogue;
};

/// The regions that begin at `node`, the node alone first. Looks at float32 values of one shape
/// only.
std::vector<FusedRegion> fusedRegions(const MatchContext& context, NodeId node);

/// The epilogue of nodes that fusedRegions gave.
Epilogue epilogueOf(const Graph& graph, const std::vector<NodeId>& nodes);

}  // namespace layerwise::cpu
