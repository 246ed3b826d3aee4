#include <algorithm>

#include "passes/passes.h"
#include "passes/rewrite.h"
#include "passes/shape_facts.h"

namespace layerwise {
namespace {

/// A folded tensor is stored in the plan: larger ones are left to be computed.
constexpr std::int64_t kMaxElements = std::int64_t{1} << 22;
/// The reference is slow: what would take it seconds is left to be computed.
constexpr double kMaxSteps = 1e9;

/// At most so many steps are taken for an output element.
double stepsPerElement(const Graph& graph, const Node& node) {
  Traits traits = node.kind->traits(node.attributes.get());
  if (traits.pointwise || traits.view || node.as<ElementWise>()) return 1;
  double read = 0;
  for (ValueId value : node.inputs)
    read += static_cast<double>(graph.node(graph.value(value).producer).weights[0].count);
  for (const ConstantData& data : node.weights) read += static_cast<double>(data.count);
  return read;
}

bool readsConstantsOnly(const Graph& graph, const Node& node) {
  return !node.inputs.empty() &&
         std::all_of(node.inputs.begin(), node.inputs.end(),
                     [&](ValueId v) { return producedBy<Constant>(graph, v) != nullptr; });
}

ConstantData evaluate(const Graph& graph, const Node& node, const TensorInfo& info) {
  std::vector<ReferenceTensor> inputs, weights, outputs{ReferenceTensor(info)};
  for (ValueId value : node.inputs) {
    const Node& constant = graph.node(graph.value(value).producer);
    const ConstantData& data = constant.weights[0];
    inputs.push_back(
        ReferenceTensor::read({data.type, constant.as<Constant>()->dims}, data.bytes.get()));
  }
  for (const ConstantData& data : node.weights)
    weights.push_back(ReferenceTensor::read({data.type, {data.count}}, data.bytes.get()));
  node.kind->reference(node.attributes.get(), {inputs, weights, outputs});
  std::vector<std::byte> bytes(outputs[0].values.size() * sizeOf(info.type));
  outputs[0].write(bytes.data());
  return ConstantData::copyOf(info.type, bytes.data(), info.dims.volume());
}

ConstantData integersOf(DataType type, const std::vector<std::int64_t>& values) {
  if (type == DataType::kInt64) return ConstantData::of(type, values);
  return ConstantData::of(type, std::vector<std::int32_t>(values.begin(), values.end()));
}

}  // namespace

bool foldConstants(Graph& graph) {
  ShapeFacts facts(graph);
  bool changed = false;
  for (NodeId id = 0; id < static_cast<NodeId>(graph.nodes.size()); ++id) {
    if (!graph.isAlive(id)) continue;
    const Node& node = graph.node(id);
    if (node.as<Constant>() || node.as<PluginLayer>() || node.outputs.size() != 1) continue;
    ValueId output = node.outputs[0];
    std::optional<Dims> dims = facts.fixedDims(output);
    if (!dims || dims->volume() > kMaxElements) continue;
    TensorInfo info{facts.type(output), *dims};
    ConstantData value;
    if (auto integers = facts.fixedIntegers(output))
      value = integersOf(info.type, *integers);
    else if (readsConstantsOnly(graph, node) &&
             stepsPerElement(graph, node) * static_cast<double>(dims->volume()) <= kMaxSteps)
      value = evaluate(graph, node, info);
    else
      continue;
    std::vector<NodeId> sources;
    for (ValueId input : node.inputs)
      if (producedBy<Constant>(graph, input)) sources.push_back(graph.value(input).producer);
    std::sort(sources.begin(), sources.end());
    sources.erase(std::unique(sources.begin(), sources.end()), sources.end());
    become(graph, id, Constant{*dims}, {}, {std::move(value)}, sources);
    changed = true;
  }
  return changed;
}

}  // namespace layerwise
