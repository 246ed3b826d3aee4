#include "passes/rewrite.h"

#include <algorithm>
#include <cmath>

namespace layerwise {

bool hasOneReader(const Graph& graph, ValueId value) {
  return graph.value(value).consumers.size() == 1 && !graph.isOutput(value);
}

std::vector<bool> nodesThatFeed(const Graph& graph, const std::vector<NodeId>& nodes) {
  std::vector<bool> feeds(graph.nodes.size());
  for (std::size_t i = feeds.size(); i-- > 0;)
    for (ValueId output : graph.nodes[i].outputs)
      for (NodeId reader : graph.value(output).consumers)
        if (feeds[static_cast<std::size_t>(reader)] ||
            std::binary_search(nodes.begin(), nodes.end(), reader))
          feeds[i] = true;
  return feeds;
}

bool precisionAllows(const Node& first, const Node& second) {
  return !second.precision || second.precision == first.precision;
}

void removeNode(Graph& graph, NodeId id) {
  Node& node = graph.node(id);
  for (ValueId input : node.inputs) std::erase(graph.value(input).consumers, id);
  for (ValueId output : node.outputs) graph.value(output).producer = kNone;
  node = Node();
}

void absorb(Graph& graph, NodeId first, NodeId second) {
  Node& merged = graph.node(first);
  std::vector<ValueId> outputs = graph.node(second).outputs;
  const std::vector<std::string>& origin = graph.node(second).origin;
  merged.origin.insert(merged.origin.end(), origin.begin(), origin.end());
  removeNode(graph, second);
  for (ValueId output : merged.outputs) graph.value(output).producer = kNone;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    graph.value(outputs[i]).producer = first;
    graph.value(outputs[i]).producerOutput = static_cast<int>(i);
  }
  merged.outputs = std::move(outputs);
}

void detail::become(Graph& graph, NodeId id, const LayerKind& kind,
                    std::shared_ptr<const void> attributes, std::vector<ValueId> inputs,
                    std::vector<ConstantData> weights, std::span<const NodeId> merged) {
  Node& node = graph.node(id);
  for (ValueId input : node.inputs) std::erase(graph.value(input).consumers, id);
  node.kind = &kind;
  node.attributes = std::move(attributes);
  node.inputs = std::move(inputs);
  node.weights = std::move(weights);
  node.weights.resize(kind.weightRoles.size());
  for (ValueId input : node.inputs) graph.value(input).consumers.push_back(id);
  for (auto other = merged.rbegin(); other != merged.rend(); ++other) {
    Node& gone = graph.node(*other);
    node.origin.insert(node.origin.begin(), gone.origin.begin(), gone.origin.end());
    bool unused = std::all_of(gone.outputs.begin(), gone.outputs.end(), [&](ValueId v) {
      return graph.value(v).consumers.empty() && !graph.isOutput(v);
    });
    if (unused) removeNode(graph, *other);
  }
}

std::vector<double> readConstant(const ConstantData& constant) {
  return ReferenceTensor::read({constant.type, {constant.count}}, constant.bytes.get()).values;
}

ConstantData floatConstant(const std::vector<double>& values) {
  return ConstantData::of(DataType::kFloat32, std::vector<float>(values.begin(), values.end()));
}

bool fitFloat(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(),
                     [](double v) { return std::isfinite(static_cast<float>(v)); });
}

const ConstantData& weightOf(const Node& node, std::size_t slot) {
  static const ConstantData kNoWeight;
  return slot < node.weights.size() ? node.weights[slot] : kNoWeight;
}

}  // namespace layerwise
