#include <fmt/format.h>

#include <algorithm>

#include "engine/graph.h"
#include "layerwise/error.h"

namespace layerwise {
namespace {

// Shapes have at most eight numbers; a few tables of them are joined, sliced and gathered in shape
// arithmetic.
constexpr std::int64_t kMaxIntegers = 64;

bool isSmallInteger(const TensorInfo& info) {
  return (info.type == DataType::kInt64 || info.type == DataType::kInt32) &&
         info.dims.volume() <= kMaxIntegers;
}

std::vector<ReferenceTensor> referenceWeights(const Node& node) {
  std::vector<ReferenceTensor> weights;
  for (const ConstantData& constant : node.weights)
    weights.push_back(
        ReferenceTensor::read({constant.type, {constant.count}}, constant.bytes.get()));
  return weights;
}

/// Evaluates a node on the host where its outputs are small integer tensors that follow from
/// shapes.
void evaluateIntegers(const Node& node, ShapeTable& table) {
  auto info = [&](ValueId id) -> const TensorInfo& {
    return table.values[static_cast<std::size_t>(id)];
  };
  auto integers = [&](ValueId id) -> auto& {
    return table.integers[static_cast<std::size_t>(id)];
  };
  bool shapeOnly = node.kind->traits(node.attributes.get()).shapeOnly;
  if (!std::all_of(node.outputs.begin(), node.outputs.end(),
                   [&](ValueId id) { return isSmallInteger(info(id)); }))
    return;
  if (!shapeOnly && !std::all_of(node.inputs.begin(), node.inputs.end(),
                                 [&](ValueId id) { return integers(id).has_value(); }))
    return;
  if (node.inputs.empty() && node.weights.empty()) return;
  std::vector<ReferenceTensor> inputs, outputs;
  for (ValueId id : node.inputs) {
    ReferenceTensor tensor;
    tensor.info = info(id);
    if (!shapeOnly) tensor.values.assign(integers(id)->begin(), integers(id)->end());
    inputs.push_back(std::move(tensor));
  }
  for (ValueId id : node.outputs) outputs.emplace_back(info(id));
  std::vector<ReferenceTensor> weights = referenceWeights(node);
  node.kind->reference(node.attributes.get(), {inputs, weights, outputs});
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    outputs[i].round();
    integers(node.outputs[i]).emplace(outputs[i].values.begin(), outputs[i].values.end());
  }
}

}  // namespace

ShapeTable inferShapes(const Graph& graph, const std::vector<Dims>& inputDims) {
  ShapeTable table;
  table.values.resize(graph.values.size());
  table.integers.resize(graph.values.size());
  for (std::size_t i = 0; i < graph.inputs.size(); ++i)
    table.values[static_cast<std::size_t>(graph.inputs[i].value)] = {graph.inputs[i].info.type,
                                                                     inputDims.at(i)};
  for (const Node& node : graph.nodes) {
    if (!node.kind) continue;
    std::vector<ShapeInput> inputs;
    for (ValueId id : node.inputs) {
      const auto& integers = table.integers[static_cast<std::size_t>(id)];
      inputs.push_back(
          {table.values[static_cast<std::size_t>(id)], integers ? &*integers : nullptr});
    }
    std::vector<WeightInfo> weights;
    for (const ConstantData& constant : node.weights)
      weights.push_back({constant.type, constant.count});
    ShapeContext context(node.kind->name, node.name, inputs, weights);
    std::vector<TensorInfo> outputs =
        inferLayer(*node.kind, node.attributes.get(), context, node.name);
    if (outputs.size() != node.outputs.size())
      context.fail("has {} outputs, its shape rule gives {}", node.outputs.size(), outputs.size());
    for (std::size_t i = 0; i < outputs.size(); ++i)
      table.values[static_cast<std::size_t>(node.outputs[i])] = outputs[i];
    evaluateIntegers(node, table);
  }
  return table;
}

}  // namespace layerwise
