#include <algorithm>

#include "passes/passes.h"
#include "passes/rewrite.h"

namespace layerwise {
namespace {

/// The dimensions that an integer constant of one axis holds.
std::optional<Dims> constantDims(const Graph& graph, ValueId value) {
  if (!producedBy<Constant>(graph, value)) return {};
  const ConstantData& data = graph.node(graph.value(value).producer).weights[0];
  if (data.count > Dims::kMaxRank) return {};
  Dims dims;
  for (double number : readConstant(data)) dims.append(static_cast<std::int64_t>(number));
  return dims;
}

std::vector<NodeId> producers(const Graph& graph, const Node& node) {
  std::vector<NodeId> found;
  for (std::size_t i = 1; i < node.inputs.size(); ++i) {
    NodeId id = graph.value(node.inputs[i]).producer;
    if (std::find(found.begin(), found.end(), id) == found.end()) found.push_back(id);
  }
  return found;
}

}  // namespace

bool absorbShapeOperands(Graph& graph) {
  bool changed = false;
  for (NodeId id = 0; id < static_cast<NodeId>(graph.nodes.size()); ++id) {
    if (!graph.isAlive(id)) continue;
    const Node& node = graph.node(id);
    if (node.inputs.size() < 2 || (!node.as<Shuffle>() && !node.as<Slice>())) continue;
    std::vector<Dims> operands;
    for (std::size_t i = 1; i < node.inputs.size(); ++i)
      if (auto dims = constantDims(graph, node.inputs[i])) operands.push_back(*dims);
    if (operands.size() + 1 != node.inputs.size()) continue;
    if (auto* given = node.as<Shuffle>()) {
      Shuffle shuffle = *given;
      shuffle.setReshape(operands[0]);
      become(graph, id, std::move(shuffle), {node.inputs[0]}, {}, producers(graph, node));
    } else {
      Slice slice = *node.as<Slice>();
      slice.start = operands[0];
      if (operands.size() > 1) slice.size = operands[1];
      if (operands.size() > 2) slice.step = operands[2];
      become(graph, id, std::move(slice), {node.inputs[0]}, {}, producers(graph, node));
    }
    changed = true;
  }
  return changed;
}

}  // namespace layerwise
