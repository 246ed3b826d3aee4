#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "engine/graph.h"

namespace layerwise {

/// The steps that rewrites are made of. They keep Graph's producers and consumers right.

/// The node that `value` comes out of where it is an A; nullptr otherwise.
template <class A>
const A* producedBy(const Graph& graph, ValueId value) {
  NodeId producer = graph.value(value).producer;
  return producer == kNone ? nullptr : graph.node(producer).as<A>();
}

/// Whether nobody sees `value` but one reader, once: the reader may then be merged with what
/// produces it.
bool hasOneReader(const Graph& graph, ValueId value);

/// By node, whether its results go into one of `nodes` (in order), through others or not.
std::vector<bool> nodesThatFeed(const Graph& graph, const std::vector<NodeId>& nodes);

/// Whether `second` may be computed as a part of `first` without breaking a wish for its precision.
bool precisionAllows(const Node& first, const Node& second);

/// Takes a node out; its outputs must have no readers left.
void removeNode(Graph& graph, NodeId id);

/// Makes `first` write what `second` wrote, and removes `second`, whose only input is `first`'s
/// only output.
void absorb(Graph& graph, NodeId first, NodeId second);

/// Makes `id` another layer with these inputs and the same outputs, standing for `merged` too,
/// which are removed where nobody reads them any more (last one first).
template <class A>
void become(Graph& graph, NodeId id, A attributes, std::vector<ValueId> inputs,
            std::vector<ConstantData> weights = {}, std::span<const NodeId> merged = {});

/// The numbers of a constant as doubles.
std::vector<double> readConstant(const ConstantData& constant);
/// Rounded once, to float32.
ConstantData floatConstant(const std::vector<double>& values);
/// Whether all values stay finite as float32.
bool fitFloat(const std::vector<double>& values);
/// Weight `slot` of a node, empty where it has none.
const ConstantData& weightOf(const Node& node, std::size_t slot);

namespace detail {
void become(Graph& graph, NodeId id, const LayerKind& kind, std::shared_ptr<const void> attributes,
            std::vector<ValueId> inputs, std::vector<ConstantData> weights,
            std::span<const NodeId> merged);
}

template <class A>
void become(Graph& graph, NodeId id, A attributes, std::vector<ValueId> inputs,
            std::vector<ConstantData> weights, std::span<const NodeId> merged) {
  detail::become(graph, id, LayerRegistry::instance().at(A::kKind),
                 std::make_shared<A>(std::move(attributes)), std::move(inputs), std::move(weights),
                 merged);
}

}  // namespace layerwise
