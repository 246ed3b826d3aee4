#include "passes/activation_pattern.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace layerwise {

bool recognizeMish(Graph& graph) {
  bool changed = false;
  for (NodeId id = 0; id < static_cast<NodeId>(graph.nodes.size()); ++id) {
    if (!graph.isAlive(id)) continue;
    auto gate = matchGate(graph, graph.node(id), [](ChainWalk& walk) {
      if (!walk.activation(ActivationType::kTanh)) return false;
      auto* softplus = walk.activation(ActivationType::kSoftplus);
      return softplus && softplus->alpha == 1 && softplus->beta == 1;
    });
    if (!gate) continue;
    become(graph, id, Activation{ActivationType::kMish}, {gate->first}, {}, gate->second);
    changed = true;
  }
  return changed;
}

}  // namespace layerwise
