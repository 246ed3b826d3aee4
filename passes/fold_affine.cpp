#include "passes/affine.h"
#include "passes/passes.h"
#include "passes/rewrite.h"
#include "passes/shape_facts.h"

namespace layerwise {
namespace {

/// How the kernel of a layer with weights {kernel, bias} hangs together with its output channels.
struct KernelOrder {
  int channelAxis = 1;       ///< of the output
  std::int64_t outputs = 0;  ///< how many channels
  bool inputsFirst = false;  ///< [inputs x outputs / groups x ...], not [outputs x ...]
  std::int64_t inputs = 0;   ///< these two where inputsFirst
  std::int64_t groups = 1;
};

std::optional<KernelOrder> kernelOrder(const Node& node, const ShapeFacts& facts) {
  if (auto* a = node.as<Convolution>()) return KernelOrder{.outputs = a->outputs};
  if (auto* a = node.as<Deconvolution>())
    return KernelOrder{.outputs = a->outputs,
                       .inputsFirst = true,
                       .inputs = facts.fixedDim(node.inputs[0], 1).value_or(0),
                       .groups = a->groups};
  if (auto* a = node.as<FullyConnected>())
    return KernelOrder{.channelAxis = static_cast<int>(
                           a->axis < 0 ? a->axis + facts.rank(node.inputs[0]) : a->axis),
                       .outputs = a->outputs};
  return {};
}

/// Multiplies the kernel and bias of `node` with the affine after it; false where float32 cannot
/// hold the result.
bool foldIntoKernel(Node& node, const KernelOrder& order, const Affine& affine) {
  std::vector<double> kernel = readConstant(weightOf(node, 0));
  std::vector<double> bias = readConstant(weightOf(node, 1));
  auto outputs = static_cast<std::size_t>(order.outputs);
  bias.resize(outputs);
  auto at = [&](std::size_t channel) { return affine.isUniform() ? 0 : channel; };
  if (order.inputsFirst) {
    // [inputs][outputs / groups][window]; the inputs of a group are consecutive.
    auto inputs = static_cast<std::size_t>(order.inputs);
    std::size_t groups = static_cast<std::size_t>(order.groups), perGroup = outputs / groups;
    std::size_t window = kernel.size() / (inputs * perGroup);
    for (std::size_t i = 0; i < kernel.size(); ++i) {
      std::size_t group = i / (window * perGroup) / (inputs / groups);
      kernel[i] *= affine.scale[at(group * perGroup + i / window % perGroup)];
    }
  } else {
    std::size_t perOutput = kernel.size() / outputs;
    for (std::size_t i = 0; i < kernel.size(); ++i) kernel[i] *= affine.scale[at(i / perOutput)];
  }
  for (std::size_t o = 0; o < outputs; ++o)
    bias[o] = bias[o] * affine.scale[at(o)] + affine.shift[at(o)];
  if (!fitFloat(kernel) || !fitFloat(bias)) return false;
  node.weights = {floatConstant(kernel), floatConstant(bias)};
  return true;
}

/// The affine layers that follow `id` one by one and may be merged with it.
struct Chain {
  std::vector<NodeId> nodes;
  Affine affine;
};

Chain chainAfter(const Graph& graph, const ShapeFacts& facts, NodeId id, Affine start) {
  Chain chain{.affine = std::move(start)};
  ValueId value = graph.node(id).outputs[0];
  while (hasOneReader(graph, value)) {
    NodeId next = graph.value(value).consumers[0];
    if (!precisionAllows(graph.node(id), graph.node(next))) break;
    auto affine = affineOf(graph.node(next), facts.rank(value));
    auto both = affine ? compose(chain.affine, *affine) : std::nullopt;
    if (!both) break;
    chain.affine = std::move(*both);
    chain.nodes.push_back(next);
    value = graph.node(next).outputs[0];
  }
  return chain;
}

bool foldAfterKernel(Graph& graph, const ShapeFacts& facts, NodeId id) {
  Node& node = graph.node(id);
  auto order = kernelOrder(node, facts);
  if (!order || order->outputs == 0 || !isFloat(weightOf(node, 0).type)) return false;
  Chain chain = chainAfter(graph, facts, id, {});
  if (chain.nodes.empty()) return false;
  if (!chain.affine.isUniform() && chain.affine.axis != order->channelAxis) return false;
  if (!foldIntoKernel(node, *order, chain.affine)) return false;
  for (NodeId next : chain.nodes) absorb(graph, id, next);
  return true;
}

/// A batch norm, or several affine layers: to one scale.
bool mergeAffines(Graph& graph, const ShapeFacts& facts, NodeId id) {
  ValueId input = graph.node(id).inputs.empty() ? kNone : graph.node(id).inputs[0];
  if (input == kNone || !facts.isFloat(input)) return false;
  auto affine = affineOf(graph.node(id), facts.rank(input));
  if (!affine) return false;
  Chain chain = chainAfter(graph, facts, id, *affine);
  if (chain.nodes.empty() && !graph.node(id).as<BatchNorm>()) return false;
  if (!fitFloat(chain.affine.scale) || !fitFloat(chain.affine.shift)) return false;
  Scale scale{.mode = chain.affine.isUniform() ? ScaleMode::kUniform : ScaleMode::kChannel,
              .channelAxis = chain.affine.isUniform() ? 1 : chain.affine.axis};
  become(graph, id, scale, {input},
         {floatConstant(chain.affine.shift), floatConstant(chain.affine.scale)});
  for (NodeId next : chain.nodes) absorb(graph, id, next);
  return true;
}

}  // namespace

bool foldAffine(Graph& graph) {
  ShapeFacts facts(graph);
  bool changed = false;
  for (NodeId id = 0; id < static_cast<NodeId>(graph.nodes.size()); ++id)
    if (graph.isAlive(id))
      changed |= foldAfterKernel(graph, facts, id) || mergeAffines(graph, facts, id);
  return changed;
}

}  // namespace layerwise
