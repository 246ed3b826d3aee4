#include <algorithm>
#include <cmath>

#include "passes/passes.h"
#include "passes/rewrite.h"
#include "passes/shape_facts.h"

namespace layerwise {
namespace {

/// x scale + shift, a number an entry of `axis`, or one number for all.
struct ConstantOperand {
  ScaleMode mode = ScaleMode::kUniform;
  int axis = 1;
  std::vector<double> values;
};

std::optional<ConstantOperand> constantOperand(const Graph& graph, const ShapeFacts& facts,
                                               ValueId value, ValueId other) {
  auto* constant = producedBy<Constant>(graph, value);
  if (!constant) return {};
  ConstantOperand operand;
  operand.values = readConstant(graph.node(graph.value(value).producer).weights[0]);
  const Dims& dims = constant->dims;
  if (dims.volume() == 1) return operand;
  auto many = std::count_if(dims.begin(), dims.end(), [](std::int64_t d) { return d != 1; });
  if (many != 1) return {};
  auto place = std::find_if(dims.begin(), dims.end(), [](std::int64_t d) { return d != 1; });
  operand.mode = ScaleMode::kChannel;
  operand.axis = facts.rank(other) - dims.rank() + static_cast<int>(place - dims.begin());
  // On other axes a scale is worth its while only where foldAffine takes it away.
  bool folds = producedBy<FullyConnected>(graph, other) && hasOneReader(graph, other);
  if (operand.axis != 1 && !folds) return {};
  return operand;
}

/// The weights of the scale, {shift, scale}; nothing where the operation is none.
std::optional<std::vector<ConstantData>> scaleWeights(ElementWiseOperation operation,
                                                      bool constantFirst,
                                                      std::vector<double> values) {
  auto mapped = [&](auto&& f) {
    std::transform(values.begin(), values.end(), values.begin(), f);
    return floatConstant(values);
  };
  switch (operation) {
    case ElementWiseOperation::kSum:
      return {{floatConstant(values), {}}};
    case ElementWiseOperation::kProduct:
      return {{{}, floatConstant(values)}};
    case ElementWiseOperation::kSubtract:
      if (constantFirst)
        return {{floatConstant(values), floatConstant(std::vector<double>(values.size(), -1.0))}};
      return {{mapped([](double v) { return -v; }), {}}};
    case ElementWiseOperation::kDivide:
      if (constantFirst) return {};
      for (double v : values)
        if (!std::isnormal(static_cast<float>(1 / v))) return {};
      return {{{}, mapped([](double v) { return 1 / v; })}};
    default:
      return {};
  }
}

}  // namespace

bool absorbConstantOperands(Graph& graph) {
  ShapeFacts facts(graph);
  bool changed = false;
  for (NodeId id = 0; id < static_cast<NodeId>(graph.nodes.size()); ++id) {
    if (!graph.isAlive(id)) continue;
    const Node& node = graph.node(id);
    auto* elementwise = node.as<ElementWise>();
    if (!elementwise) continue;
    for (std::size_t side : {1u, 0u}) {
      ValueId constant = node.inputs[side], other = node.inputs[1 - side];
      if (!facts.isFloat(other) || !facts.sameDims(other, node.outputs[0])) continue;
      auto operand = constantOperand(graph, facts, constant, other);
      if (!operand) continue;
      auto weights = scaleWeights(elementwise->operation, side == 0, operand->values);
      if (!weights) continue;
      NodeId source = graph.value(constant).producer;
      become(graph, id, Scale{operand->mode, operand->axis}, {other}, std::move(*weights),
             std::span(&source, 1));
      changed = true;
      break;
    }
  }
  return changed;
}

}  // namespace layerwise
