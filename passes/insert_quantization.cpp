#include <algorithm>
#include <map>
#include <numeric>

#include "layers/quantized_convolution.h"
#include "passes/quantization.h"
#include "passes/rewrite.h"
#include "passes/shape_facts.h"

namespace layerwise {
namespace {

/// Values that layers which move values join: whatever holds them must have one scale.
class Components {
 public:
  explicit Components(const Graph& graph) : parent_(graph.values.size()) {
    std::iota(parent_.begin(), parent_.end(), 0);
    for (const Node& node : graph.nodes)
      for (std::size_t i = 0; i < movedInputs(node); ++i) join(node.inputs[i], node.outputs[0]);
  }
  ValueId of(ValueId value) const {
    while (parent_[static_cast<std::size_t>(value)] != value)
      value = parent_[static_cast<std::size_t>(value)];
    return value;
  }

 private:
  void join(ValueId a, ValueId b) { parent_[static_cast<std::size_t>(of(a))] = of(b); }
  std::vector<ValueId> parent_;
};

/// What decides what is quantised.
class Insertion {
 public:
  Insertion(const Graph& graph, const FloatLayers& floatLayers)
      : graph_(graph), facts_(graph), components_(graph) {
    for (NodeId id = 0; id < static_cast<NodeId>(graph.nodes.size()); ++id)
      if (isQuantizable(graph.node(id)) && !floatLayers.contains(graph.node(id).name))
        layers_.push_back(id);
  }

  const std::vector<NodeId>& layers() const { return layers_; }
  ValueId component(ValueId value) const { return components_.of(value); }

  /// The components that hold what the layers read, and what is added to what they give.
  std::set<ValueId> wanted() const {
    std::set<ValueId> wanted;
    for (NodeId id : layers_) {
      ValueId input = graph_.node(id).inputs[0];
      if (!producedBy<Dequantize>(graph_, input)) wanted.insert(component(input));
    }
    for (NodeId id = 0; id < static_cast<NodeId>(graph_.nodes.size()); ++id)
      if (ValueId residual = residualOf(id); residual != kNone) wanted.insert(component(residual));
    return wanted;
  }

  /// The values of the wanted components that no moving layer writes, and that the network itself
  /// does not quantise.
  std::vector<ValueId> sources(const std::set<ValueId>& wanted) const {
    std::vector<ValueId> sources;
    for (ValueId value = 0; value < static_cast<ValueId>(graph_.values.size()); ++value) {
      NodeId producer = graph_.value(value).producer;
      bool moved = producer != kNone && movedInputs(graph_.node(producer));
      if (wanted.contains(component(value)) && !moved && isLive(value) && facts_.isFloat(value) &&
          !producedBy<Dequantize>(graph_, value))
        sources.push_back(value);
    }
    return sources;
  }

 private:
  bool isLive(ValueId value) const {
    return graph_.value(value).producer != kNone || !graph_.value(value).consumers.empty();
  }

  bool isQuantizable(const Node& node) const {
    if (!node.kind || staysFloat(node)) return false;
    auto* convolution = node.as<Convolution>();
    auto* full = node.as<FullyConnected>();
    std::int64_t outputs = convolution ? convolution->outputs : full ? full->outputs : 0;
    if (!outputs || (full && full->axis != 1) || !isFloat(weightOf(node, 0).type)) return false;
    return facts_.isFloat(node.inputs[0]) &&
           weightOf(node, 0).count / outputs <= kMaxQuantizedDepth;
  }

  /// The layer of layers_ that `value` comes out of, its activation between them or not, where
  /// nobody else sees it; kNone otherwise.
  NodeId hostOf(ValueId value) const {
    for (int step = 0; step < 2; ++step) {
      NodeId producer = graph_.value(value).producer;
      if (producer == kNone || !hasOneReader(graph_, value)) return kNone;
      if (std::binary_search(layers_.begin(), layers_.end(), producer)) return producer;
      if (!graph_.node(producer).as<Activation>()) return kNone;
      value = graph_.node(producer).inputs[0];
    }
    return kNone;
  }

  /// Where a sum can be the last step of a quantised layer, its other operand; kNone otherwise.
  ValueId residualOf(NodeId id) const {
    auto* sum = graph_.node(id).as<ElementWise>();
    if (!sum || sum->operation != ElementWiseOperation::kSum) return kNone;
    ValueId a = graph_.node(id).inputs[0], b = graph_.node(id).inputs[1];
    if (!facts_.sameDims(a, b)) return kNone;
    NodeId hostA = hostOf(a), hostB = hostOf(b);
    if (hostA == kNone && hostB == kNone) return kNone;
    return hostA > hostB ? b : a;  // the later layer takes the sum
  }

  const Graph& graph_;
  ShapeFacts facts_;
  Components components_;
  std::vector<NodeId> layers_;
};

/// What the network says of a component: the scale of a Dequantize that writes into it.
std::map<ValueId, TensorQuantization> explicitScales(const Graph& graph,
                                                     const Insertion& insertion) {
  std::map<ValueId, TensorQuantization> scales;
  for (const Node& node : graph.nodes) {
    if (!node.kind || !node.as<Dequantize>()) continue;
    auto quantization = tensorQuantization(node, graph);
    if (quantization && quantization->type == DataType::kUInt8)
      scales.emplace(insertion.component(node.outputs[0]), *quantization);
  }
  return scales;
}

/// The quantisation of each wanted component of which every source has a range.
std::map<ValueId, TensorQuantization> chooseScales(const Graph& graph, const Insertion& insertion,
                                                   const RangeOf& rangeOf) {
  std::map<ValueId, TensorQuantization> scales = explicitScales(graph, insertion);
  std::map<ValueId, std::pair<double, double>> ranges;
  std::set<ValueId> unknown;
  for (ValueId value : insertion.sources(insertion.wanted())) {
    ValueId component = insertion.component(value);
    auto range = rangeOf(value);
    if (!range) {
      unknown.insert(component);
      continue;
    }
    auto [found, added] = ranges.emplace(component, *range);
    if (added) continue;
    found->second.first = std::min(found->second.first, range->first);
    found->second.second = std::max(found->second.second, range->second);
  }
  for (const auto& [component, range] : ranges)
    if (!unknown.contains(component))
      scales.emplace(component, quantizationOf(range.first, range.second));
  return scales;
}

/// Whether a node that reads a quantised tensor reads what the 8 bits hold, not what they were made
/// of: not a layer that is to be exact.
bool readsQuantized(const Node& node) {
  const bool hasWeights = node.as<Convolution>() || node.as<FullyConnected>();
  return !node.as<Quantize>() && !node.as<Shape>() && !(hasWeights && staysFloat(node));
}

}  // namespace

std::vector<NodeId> quantizableLayers(const Graph& graph, const FloatLayers& floatLayers) {
  return Insertion(graph, floatLayers).layers();
}

std::vector<ValueId> tensorsToQuantize(const Graph& graph, const FloatLayers& floatLayers) {
  Insertion insertion(graph, floatLayers);
  return insertion.sources(insertion.wanted());
}

std::map<ValueId, TensorQuantization> inputQuantizations(const Graph& graph,
                                                         const std::vector<NodeId>& layers,
                                                         const RangeOf& rangeOf) {
  Insertion insertion(graph, {});
  const auto scales = chooseScales(graph, insertion, rangeOf);
  std::map<ValueId, TensorQuantization> inputs;
  for (NodeId id : layers) {
    const ValueId input = graph.node(id).inputs[0];
    if (auto scale = scales.find(insertion.component(input)); scale != scales.end())
      inputs.emplace(input, scale->second);
  }
  return inputs;
}

void insertQuantization(Graph& graph, const FloatLayers& floatLayers, const RangeOf& rangeOf) {
  Insertion insertion(graph, floatLayers);
  auto scales = chooseScales(graph, insertion, rangeOf);
  std::map<NodeId, std::vector<Node>> behind;  // kNone: the graph's inputs
  for (ValueId value : insertion.sources(insertion.wanted())) {
    auto scale = scales.find(insertion.component(value));
    if (scale == scales.end()) continue;
    const std::string name = graph.value(value).name;
    ValueId q = graph.addValue(name + ":8bit"), back = graph.addValue(name + ":dequantized");
    for (NodeId reader : std::vector<NodeId>(graph.value(value).consumers))
      if (readsQuantized(graph.node(reader)))
        std::replace(graph.node(reader).inputs.begin(), graph.node(reader).inputs.end(), value,
                     back);
    Node quantize{.kind = &LayerRegistry::instance().at(Quantize::kKind),
                  .name = name + ".quantize",
                  .inputs = {value},
                  .outputs = {q},
                  .weights = quantizationWeights(scale->second)};
    quantize.setAttributes(Quantize{});
    Node dequantize{.kind = &LayerRegistry::instance().at(Dequantize::kKind),
                    .name = name + ".dequantize",
                    .inputs = {q},
                    .outputs = {back},
                    .weights = quantizationWeights(scale->second)};
    dequantize.setAttributes(Dequantize{});
    auto& list = behind[graph.value(value).producer];
    list.push_back(std::move(quantize));
    list.push_back(std::move(dequantize));
  }
  std::vector<Node> nodes = std::move(behind[kNone]);
  for (NodeId id = 0; id < static_cast<NodeId>(graph.nodes.size()); ++id) {
    nodes.push_back(std::move(graph.node(id)));
    auto found = behind.find(id);
    if (found != behind.end())
      std::move(found->second.begin(), found->second.end(), std::back_inserter(nodes));
  }
  graph.nodes = std::move(nodes);
  graph.connect();
}

}  // namespace layerwise
