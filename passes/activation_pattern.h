#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "engine/graph.h"

namespace layerwise {

/// Whether `node` is a layer that computes x scale + shift, one number each.
bool isScale(const Node& node, double scale, double shift);

/// A chain of layers of one input each, walked from its end to its start. Every value on the way is
/// read by the chain alone, so that the whole of it can become one layer.
class ChainWalk {
 public:
  /// Begins before the reader of `end`.
  ChainWalk(const Graph& graph, ValueId end) : graph_(graph), value_(end) {}

  /// Steps over an activation of this type; nullptr where something else is there.
  const Activation* activation(ActivationType type);
  /// Steps over x scale + shift, one number each.
  bool scale(double scale, double shift);

  ValueId value() const { return value_; }                     ///< where the walk has come to
  const std::vector<NodeId>& nodes() const { return nodes_; }  ///< first to last

 private:
  const Node* candidate() const;
  void step();

  const Graph& graph_;
  ValueId value_;
  std::vector<NodeId> nodes_;
};

/// For a product x g where g follows from x alone: x, and the nodes that g is made of. `matches`
/// walks from g back to x.
template <class F>
std::optional<std::pair<ValueId, std::vector<NodeId>>> matchGate(const Graph& graph,
                                                                 const Node& node, F&& matches) {
  auto* product = node.as<ElementWise>();
  if (!product || product->operation != ElementWiseOperation::kProduct) return {};
  for (std::size_t side : {1u, 0u}) {
    ChainWalk walk(graph, node.inputs[side]);
    ValueId x = node.inputs[1 - side];
    if (matches(walk) && walk.value() == x) return std::pair(x, walk.nodes());
  }
  return {};
}

}  // namespace layerwise
