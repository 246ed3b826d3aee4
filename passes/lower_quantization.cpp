#include <algorithm>

#include "layers/quantized_convolution.h"
#include "passes/quantization.h"
#include "passes/quantize_kernel.h"
#include "passes/rewrite.h"
#include "passes/shape_facts.h"

namespace layerwise {
namespace {

/// A layer with weights and what can be computed with it: activation(x W + b + residual), or
/// activation(x W + b) + residual, quantised or not.
struct Chain {
  NodeId layer = kNone;
  ValueId input = kNone;  ///< 8 bits
  TensorQuantization inputQuantization;
  NodeId activation = kNone, sum = kNone, quantize = kNone;
  ValueId residual = kNone;  ///< 8 bits, or float32
  std::optional<TensorQuantization> residualQuantization;
  ResidualOrder order = ResidualOrder::kNoResidual;
  NodeId last = kNone;

  std::vector<NodeId> merged() const {
    std::vector<NodeId> nodes;
    for (NodeId id : {layer, activation, sum, quantize})
      if (id != kNone && id != last) nodes.push_back(id);
    std::sort(nodes.begin(), nodes.end());
    return nodes;
  }
};

/// The node that alone reads the only output of `id`, where it may be computed with it.
NodeId soleReader(const Graph& graph, NodeId id) {
  ValueId output = graph.node(id).outputs[0];
  if (!hasOneReader(graph, output)) return kNone;
  NodeId reader = graph.value(output).consumers[0];
  return staysFloat(graph.node(reader)) ? kNone : reader;
}

/// The uint8 that `value` is dequantised from.
std::optional<TensorQuantization> dequantizedFrom(const Graph& graph, ValueId value, ValueId& q) {
  if (!producedBy<Dequantize>(graph, value)) return {};
  const Node& node = graph.node(graph.value(value).producer);
  auto quantization = tensorQuantization(node, graph);
  if (!quantization || quantization->type != DataType::kUInt8 || quantization->zeroPoint < 0)
    return {};
  q = node.inputs[0];
  return quantization;
}

class Lowering {
 public:
  explicit Lowering(Graph& graph) : graph_(graph), facts_(graph) {}

  bool run() {
    // The last first: where two layers meet in a sum, the later one takes it.
    for (NodeId id = static_cast<NodeId>(graph_.nodes.size()) - 1; id >= 0; --id)
      if (graph_.isAlive(id))
        if (auto chain = match(id)) {
          lower(*chain);
          return true;
        }
    return false;
  }

 private:
  std::optional<Chain> match(NodeId id) const {
    const Node& node = graph_.node(id);
    auto* convolution = node.as<Convolution>();
    auto* full = node.as<FullyConnected>();
    if ((!convolution && !full) || (full && full->axis != 1) || staysFloat(node)) return {};
    std::int64_t outputs = convolution ? convolution->outputs : full->outputs;
    const ConstantData& kernel = weightOf(node, 0);
    if (!isFloat(kernel.type) || kernel.count / outputs > kMaxQuantizedDepth) return {};
    Chain chain{.layer = id, .last = id};
    auto quantization = dequantizedFrom(graph_, node.inputs[0], chain.input);
    if (!quantization) return {};
    chain.inputQuantization = *quantization;
    extend(chain, full != nullptr);
    return chain;
  }

  void extend(Chain& chain, bool fullyConnected) const {
    for (;;) {
      NodeId next = soleReader(graph_, chain.last);
      if (next == kNone) return;
      const Node& node = graph_.node(next);
      if (node.as<Activation>() && chain.activation == kNone &&
          chain.order != ResidualOrder::kAfterActivation) {
        chain.activation = next;
      } else if (node.as<ElementWise>() && chain.sum == kNone && !fullyConnected &&
                 addResidual(chain, node)) {
        chain.sum = next;
        chain.order = chain.activation == kNone ? ResidualOrder::kBeforeActivation
                                                : ResidualOrder::kAfterActivation;
      } else if (node.as<Quantize>()) {
        auto quantization = tensorQuantization(node, graph_);
        if (!quantization || quantization->type != DataType::kUInt8 || quantization->zeroPoint < 0)
          return;
        chain.quantize = chain.last = next;
        return;
      } else {
        return;
      }
      chain.last = next;
    }
  }

  bool addResidual(Chain& chain, const Node& sum) const {
    if (sum.as<ElementWise>()->operation != ElementWiseOperation::kSum) return false;
    ValueId own = graph_.node(chain.last).outputs[0];
    ValueId other = sum.inputs[0] == own ? sum.inputs[1] : sum.inputs[0];
    if (other == own || !facts_.sameDims(own, other)) return false;
    chain.residualQuantization = dequantizedFrom(graph_, other, chain.residual);
    if (!chain.residualQuantization) {
      chain.residual = other;
      if (facts_.type(other) != DataType::kFloat32) return false;
    }
    return true;
  }

  void lower(const Chain& chain) {
    const Node& layer = graph_.node(chain.layer);
    QuantizedConvolution a;
    if (auto* convolution = layer.as<Convolution>())
      a.convolution = *convolution;
    else
      a.convolution = {{.outputs = layer.as<FullyConnected>()->outputs, .kernel = {1, 1}}};
    if (chain.activation != kNone) {
      a.activated = true;
      a.activation = *graph_.node(chain.activation).as<Activation>();
    }
    a.residual = chain.order;
    a.inputScale = chain.inputQuantization.scale;
    a.inputZeroPoint = chain.inputQuantization.zeroPoint;
    if (chain.residualQuantization) {
      a.residualScale = chain.residualQuantization->scale;
      a.residualZeroPoint = chain.residualQuantization->zeroPoint;
    }
    a.outputType = DataType::kFloat32;
    if (chain.quantize != kNone) {
      auto output = *tensorQuantization(graph_.node(chain.quantize), graph_);
      a.outputType = DataType::kUInt8;
      a.outputScale = output.scale;
      a.outputZeroPoint = output.zeroPoint;
    }
    bool full = layer.as<FullyConnected>() != nullptr;
    std::vector<ConstantData> weights = quantizedWeights(layer, a.convolution.outputs);
    std::vector<ValueId> inputs{chain.input};
    if (chain.residual != kNone) inputs.push_back(chain.residual);
    std::string name = layer.name;
    std::vector<NodeId> merged = chain.merged();
    NodeId id = chain.last;
    become(graph_, id, a, std::move(inputs), std::move(weights), merged);
    graph_.node(id).name = name;
    if (full) putBetweenReshapes(id);
  }

  /// A fully connected layer is a convolution of N x K x 1 x 1.
  void putBetweenReshapes(NodeId id) {
    Node& node = graph_.node(id);
    ValueId flat = graph_.addValue(node.name + ":pixels"),
            result = graph_.addValue(node.name + ":result");
    Node before = reshape(node.name + ".pixels", node.inputs[0], flat, {0, -1, 1, 1});
    Node after = reshape(node.name + ".flat", result, node.outputs[0], {0, -1});
    node.inputs[0] = flat;
    node.outputs = {result};
    graph_.nodes.insert(graph_.nodes.begin() + id, std::move(before));
    graph_.nodes.insert(graph_.nodes.begin() + id + 2, std::move(after));
    graph_.connect();
  }

  static Node reshape(std::string name, ValueId from, ValueId to, const Dims& dims) {
    Node node{.kind = &LayerRegistry::instance().at(Shuffle::kKind),
              .name = std::move(name),
              .inputs = {from},
              .outputs = {to}};
    Shuffle attributes;
    attributes.setReshape(dims);
    node.setAttributes(attributes);
    return node;
  }

  static std::vector<ConstantData> quantizedWeights(const Node& layer, std::int64_t outputs) {
    QuantizedKernel kernel = quantizeKernel(readConstant(weightOf(layer, 0)), outputs);
    std::vector<double> bias = readConstant(weightOf(layer, 1));
    bias.resize(static_cast<std::size_t>(outputs));
    return {ConstantData::of(DataType::kInt8, kernel.values),
            ConstantData::of(DataType::kFloat32, kernel.scales), floatConstant(bias)};
  }

  Graph& graph_;
  ShapeFacts facts_;
};

}  // namespace

bool lowerQuantization(Graph& graph) {
  return Lowering(graph).run();
}

}  // namespace layerwise
