#include "passes/activation_pattern.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace layerwise {

bool recognizeSilu(Graph& graph) {
  bool changed = false;
  for (NodeId id = 0; id < static_cast<NodeId>(graph.nodes.size()); ++id) {
    if (!graph.isAlive(id)) continue;
    auto gate = matchGate(graph, graph.node(id), [](ChainWalk& walk) {
      return walk.activation(ActivationType::kSigmoid) != nullptr;
    });
    if (!gate) continue;
    become(graph, id, Activation{ActivationType::kSilu}, {gate->first}, {}, gate->second);
    changed = true;
  }
  return changed;
}

}  // namespace layerwise
