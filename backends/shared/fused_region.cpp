#include "backends/shared/fused_region.h"

namespace layerwise {
namespace {

/// The other input of a sum of two values of one shape; kNone where `node` is none.
ValueId residualOf(const MatchContext& context, NodeId node, ValueId value) {
  const Node& n = context.graph.node(node);
  const ElementWise* sum = n.as<ElementWise>();
  if (!sum || sum->operation != ElementWiseOperation::kSum) return kNone;
  ValueId other = n.inputs[0] == value ? n.inputs[1] : n.inputs[0];
  const auto& shapes = context.shapes.values;
  bool same = shapes[static_cast<std::size_t>(other)] == shapes[static_cast<std::size_t>(value)];
  return other != value && same ? other : kNone;
}

}  // namespace

NodeId onlyConsumer(const Graph& graph, ValueId value) {
  const std::vector<NodeId>& consumers = graph.value(value).consumers;
  return consumers.size() == 1 && !graph.isOutput(value) ? consumers.front() : kNone;
}

std::vector<FusedNodes> fusedNodes(const MatchContext& context, NodeId first,
                                   bool (*takes)(const Activation&)) {
  const Graph& graph = context.graph;
  FusedNodes region;
  region.nodes = {first};
  region.output = graph.node(first).outputs[0];
  std::vector<FusedNodes> regions{region};
  for (;;) {
    NodeId next = onlyConsumer(graph, region.output);
    if (next == kNone) return regions;
    const Node& node = graph.node(next);
    if (auto* activation = node.as<Activation>()) {
      if (region.activation || !takes(*activation)) return regions;
      region.activation = activation;
    } else if (ValueId residual = residualOf(context, next, region.output); residual != kNone) {
      if (region.residual != kNone) return regions;
      region.residual = residual;
      region.residualFirst = !region.activation;
    } else {
      return regions;
    }
    region.nodes.push_back(next);
    region.output = node.outputs[0];
    regions.push_back(region);
  }
}

FusedNodes fusedNodes(const Graph& graph, const std::vector<NodeId>& nodes) {
  FusedNodes region;
  region.nodes = nodes;
  region.output = graph.node(nodes.back()).outputs[0];
  for (std::size_t i = 1; i < nodes.size(); ++i) {
    const Node& node = graph.node(nodes[i]);
    if (auto* activation = node.as<Activation>()) {
      region.activation = activation;
    } else {
      ValueId before = graph.node(nodes[i - 1]).outputs[0];
      region.residual = node.inputs[0] == before ? node.inputs[1] : node.inputs[0];
      region.residualFirst = !region.activation;
    }
  }
  return region;
}

}  // namespace layerwise
