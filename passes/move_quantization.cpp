#include <algorithm>

#include "passes/quantization.h"
#include "passes/rewrite.h"

namespace layerwise {
namespace {

std::string eightBitName(const Graph& graph, ValueId value) {
  return graph.value(value).name + ":8bit";
}

/// The quantisation that all the values come out of by a Dequantize each.
std::optional<TensorQuantization> commonSource(const Graph& graph,
                                               std::span<const ValueId> values) {
  std::optional<TensorQuantization> common;
  for (ValueId value : values) {
    NodeId producer = graph.value(value).producer;
    if (producer == kNone || !graph.node(producer).as<Dequantize>()) return {};
    auto one = tensorQuantization(graph.node(producer), graph);
    if (!one || (common && *common != *one)) return {};
    common = one;
  }
  return common;
}

Node quantizationNode(const Graph& graph, std::string_view kind, ValueId from, ValueId to,
                      std::vector<ConstantData> weights) {
  return {.kind = &LayerRegistry::instance().at(kind),
          .name = graph.value(to).name + "." + std::string(kind),
          .inputs = {from},
          .outputs = {to},
          .weights = std::move(weights)};
}

}  // namespace

bool pushDequantize(Graph& graph) {
  for (NodeId id = 0; id < static_cast<NodeId>(graph.nodes.size()); ++id) {
    std::size_t moved = movedInputs(graph.node(id));
    if (!moved) continue;
    std::span<const ValueId> inputs(graph.node(id).inputs.data(), moved);
    auto quantization = commonSource(graph, inputs);
    if (!quantization) continue;
    ValueId output = graph.node(id).outputs[0];
    ValueId inner = graph.addValue(eightBitName(graph, output));
    Node& node = graph.node(id);
    for (std::size_t i = 0; i < moved; ++i)
      node.inputs[i] = graph.node(graph.value(node.inputs[i]).producer).inputs[0];
    node.outputs = {inner};
    Node dequantize = quantizationNode(graph, Dequantize::kKind, inner, output,
                                       quantizationWeights(*quantization));
    dequantize.setAttributes(Dequantize{});
    graph.nodes.insert(graph.nodes.begin() + id + 1, std::move(dequantize));
    graph.connect();
    return true;
  }
  return false;
}

bool hoistQuantize(Graph& graph) {
  for (NodeId id = 0; id < static_cast<NodeId>(graph.nodes.size()); ++id) {
    auto quantization = tensorQuantization(graph.node(id), graph);
    if (!quantization || !graph.node(id).as<Quantize>()) continue;
    ValueId moved = graph.node(id).inputs[0];
    NodeId mover = graph.value(moved).producer;
    if (mover == kNone || !hasOneReader(graph, moved)) continue;
    std::size_t count = movedInputs(graph.node(mover));
    if (!count) continue;
    std::vector<Node> quantizes;
    for (std::size_t i = 0; i < count; ++i) {
      ValueId from = graph.node(mover).inputs[i];
      ValueId inner = graph.addValue(eightBitName(graph, from));
      quantizes.push_back(quantizationNode(graph, Quantize::kKind, from, inner,
                                           quantizationWeights(*quantization)));
      quantizes.back().setAttributes(Quantize{quantization->type});
      graph.node(mover).inputs[i] = inner;
    }
    graph.node(mover).outputs = graph.node(id).outputs;
    graph.node(id) = Node();
    graph.nodes.insert(graph.nodes.begin() + mover, std::make_move_iterator(quantizes.begin()),
                       std::make_move_iterator(quantizes.end()));
    graph.compact();
    return true;
  }
  return false;
}

bool cancelRequantization(Graph& graph) {
  bool changed = false;
  for (NodeId id = 0; id < static_cast<NodeId>(graph.nodes.size()); ++id) {
    if (!graph.isAlive(id) || !graph.node(id).as<Quantize>()) continue;
    auto quantization = tensorQuantization(graph.node(id), graph);
    NodeId producer = graph.value(graph.node(id).inputs[0]).producer;
    if (!quantization || producer == kNone || !graph.node(producer).as<Dequantize>()) continue;
    if (quantization != tensorQuantization(graph.node(producer), graph)) continue;
    ValueId from = graph.node(id).outputs[0], to = graph.node(producer).inputs[0];
    if (graph.isOutput(from)) continue;
    graph.replaceUses(from, to);
    removeNode(graph, id);
    changed = true;
  }
  return changed;
}

namespace {

/// All nodes that read the 8-bit value, through layers that move it: the Dequantizes among them.
/// False where something else reads it.
bool collectReaders(const Graph& graph, ValueId value, std::vector<NodeId>& dequantizes) {
  if (graph.isOutput(value)) return false;
  for (NodeId reader : graph.value(value).consumers) {
    const Node& node = graph.node(reader);
    if (node.as<Dequantize>())
      dequantizes.push_back(reader);
    else if (movedInputs(node) != 1 || !collectReaders(graph, node.outputs[0], dequantizes))
      return false;
  }
  return true;
}

void raiseZeroPoints(Node& node) {
  std::vector<double> zeros = readConstant(weightOf(node, 1));
  if (zeros.empty()) zeros = {0};
  for (double& zero : zeros) zero += 128;
  node.weights[1] = floatConstant(zeros);
}

}  // namespace

bool unifyEightBits(Graph& graph) {
  bool changed = false;
  for (Node& node : graph.nodes) {
    auto* quantize = node.kind ? node.as<Quantize>() : nullptr;
    std::vector<NodeId> dequantizes;
    if (!quantize || quantize->to != DataType::kInt8 ||
        !collectReaders(graph, node.outputs[0], dequantizes))
      continue;
    std::sort(dequantizes.begin(), dequantizes.end());
    dequantizes.erase(std::unique(dequantizes.begin(), dequantizes.end()), dequantizes.end());
    node.setAttributes(Quantize{DataType::kUInt8, quantize->axis});
    raiseZeroPoints(node);
    for (NodeId id : dequantizes) raiseZeroPoints(graph.node(id));
    changed = true;
  }
  return changed;
}

}  // namespace layerwise
