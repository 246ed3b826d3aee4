#include "backends/cpu/fused_region.h"

#include <limits>

namespace layerwise::cpu {

std::optional<Epilogue> epilogueOf(const layerwise::Activation& a) {
  auto make = [&](Activation activation, double alpha = 0, double beta = 0) {
    Epilogue e;
    e.activation = activation;
    e.alpha = static_cast<float>(alpha);
    e.beta = static_cast<float>(beta);
    return e;
  };
  switch (a.type) {
    case ActivationType::kRelu:
      return make(Activation::kClip, 0, std::numeric_limits<double>::infinity());
    case ActivationType::kClip:
      return make(Activation::kClip, a.alpha, a.beta);
    case ActivationType::kLeakyRelu:
      return make(Activation::kLeaky, a.alpha);
    case ActivationType::kSigmoid:
      return make(Activation::kSigmoid);
    case ActivationType::kSilu:
      return make(Activation::kSilu);
    case ActivationType::kHardSigmoid:
      return make(Activation::kHardSigmoid, a.alpha, a.beta);
    case ActivationType::kHardSwish:
      return make(Activation::kHardSwish, 1.0 / 6, 0.5);
    case ActivationType::kMish:
      return make(Activation::kMish);
    case ActivationType::kTanh:
      return make(Activation::kTanh);
    case ActivationType::kElu:
      return make(Activation::kElu, a.alpha);
    case ActivationType::kGeluErf:
      return make(Activation::kGelu);
    default:
      return std::nullopt;
  }
}

namespace {

/// The one node that uses a value, or kNone where there are others or the value leaves the graph.
NodeId onlyConsumer(const Graph& graph, ValueId value) {
  const std::vector<NodeId>& consumers = graph.value(value).consumers;
  return consumers.size() == 1 && !graph.isOutput(value) ? consumers.front() : kNone;
}

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

std::vector<FusedRegion> fusedRegions(const MatchContext& context, NodeId first) {
  const Graph& graph = context.graph;
  FusedRegion region;
  region.nodes = {first};
  region.output = graph.node(first).outputs[0];
  std::vector<FusedRegion> regions{region};
  for (;;) {
    NodeId next = onlyConsumer(graph, region.output);
    if (next == kNone) return regions;
    const Node& node = graph.node(next);
    if (auto* activation = node.as<layerwise::Activation>()) {
      std::optional<Epilogue> epilogue = epilogueOf(*activation);
      if (!epilogue || region.epilogue.activation != Activation::kNone) return regions;
      epilogue->residual = region.epilogue.residual;
      region.epilogue = *epilogue;
    } else if (ValueId residual = residualOf(context, next, region.output); residual != kNone) {
      if (region.residual != kNone) return regions;
      region.residual = residual;
      region.epilogue.residual = region.epilogue.activation == Activation::kNone
                                     ? ResidualPlace::kBeforeActivation
                                     : ResidualPlace::kAfterActivation;
    } else {
      return regions;
    }
    region.nodes.push_back(next);
    region.output = node.outputs[0];
    regions.push_back(region);
  }
}

Epilogue epilogueOf(const Graph& graph, const std::vector<NodeId>& nodes) {
  Epilogue epilogue;
  for (std::size_t i = 1; i < nodes.size(); ++i) {
    if (auto* activation = graph.node(nodes[i]).as<layerwise::Activation>()) {
      ResidualPlace residual = epilogue.residual;
      epilogue = *epilogueOf(*activation);
      epilogue.residual = residual;
    } else {
      epilogue.residual = epilogue.activation == Activation::kNone
                              ? ResidualPlace::kBeforeActivation
                              : ResidualPlace::kAfterActivation;
    }
  }
  return epilogue;
}

}  // namespace layerwise::cpu
