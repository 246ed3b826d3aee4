#include "passes/activation_pattern.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace layerwise {
namespace {

/// clip(x + 3, 0, 6).
bool isShiftedRelu6(ChainWalk& walk) {
  auto* clip = walk.activation(ActivationType::kClip);
  return clip && clip->alpha == 0 && clip->beta == 6 && walk.scale(1, 3);
}

/// min(1, max(0, x / 6 + 1 / 2)), as one layer or as clip(x + 3, 0, 6) / 6.
bool isHardSigmoid(ChainWalk& walk) {
  if (auto* hard = walk.activation(ActivationType::kHardSigmoid))
    return static_cast<float>(hard->alpha) == static_cast<float>(1.0 / 6) && hard->beta == 0.5;
  return walk.scale(1.0 / 6, 0) && isShiftedRelu6(walk);
}

/// The division by 6 after a node; kNone where there is none.
NodeId sixthAfter(const Graph& graph, NodeId id) {
  const Node& node = graph.node(id);
  if (node.outputs.size() != 1 || !hasOneReader(graph, node.outputs[0])) return kNone;
  NodeId next = graph.value(node.outputs[0]).consumers[0];
  bool fits = isScale(graph.node(next), 1.0 / 6, 0) && precisionAllows(node, graph.node(next));
  return fits ? next : kNone;
}

}  // namespace

bool recognizeHardSwish(Graph& graph) {
  bool changed = false;
  for (NodeId id = 0; id < static_cast<NodeId>(graph.nodes.size()); ++id) {
    if (!graph.isAlive(id)) continue;
    NodeId scale = kNone;
    auto gate = matchGate(graph, graph.node(id), isHardSigmoid);
    if (!gate) {
      scale = sixthAfter(graph, id);
      if (scale == kNone) continue;
      gate = matchGate(graph, graph.node(id), isShiftedRelu6);
    }
    if (!gate) continue;
    become(graph, id, Activation{ActivationType::kHardSwish}, {gate->first}, {}, gate->second);
    if (scale != kNone) absorb(graph, id, scale);
    changed = true;
  }
  return changed;
}

}  // namespace layerwise
