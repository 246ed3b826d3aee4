#include "engine/make_graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "engine/network_state.h"
#include "layerwise/error.h"

namespace layerwise {
namespace {

ConstantData borrow(const Weights& weights) {
  return {weights.type, weights.count,
          std::shared_ptr<const std::byte>(std::shared_ptr<void>(),
                                           static_cast<const std::byte*>(weights.values))};
}

}  // namespace

Graph makeGraph(const NetworkState& network, std::size_t layers, WeightCopy copy) {
  Graph graph;
  graph.name = network.name;
  graph.metadata = network.metadata;
  std::unordered_map<const Tensor*, ValueId> ids;
  for (const auto& input : network.inputs) {
    ValueId id = graph.addValue(input->name());
    graph.value(id).range = input->dynamicRange();
    ids[input.get()] = id;
    graph.inputs.push_back(
        {.value = id, .info = {network.inputType(*input), network.inputDims(*input)}});
    graph.inputs.back().defaultValues = network.inputDefault(*input);
  }
  for (std::size_t i = 0; i < layers; ++i) {
    const Layer& layer = *network.layers[i];
    Node node;
    node.kind = &LayerRegistry::instance().at(layer.kind());
    node.attributes = node.kind->attributes->clone(layer.attributesPointer());
    node.name = layer.name();
    node.origin = {layer.name()};
    node.precision = layer.precision();
    for (int j = 0; j < layer.inputCount(); ++j) {
      auto found = ids.find(&layer.input(j));
      if (found == ids.end())
        throw Error(ErrorCode::kInvalidArgument,
                    fmt::format("[{} {}] input {} ({}) comes out of a later layer", layer.kind(),
                                layer.name(), j, layer.input(j).name()));
      node.inputs.push_back(found->second);
    }
    for (const Weights& weights : layer.weights())
      node.weights.push_back(
          copy == WeightCopy::kBorrow
              ? borrow(weights)
              : ConstantData::copyOf(weights.type, weights.values, weights.count));
    for (int j = 0; j < layer.outputCount(); ++j) {
      const Tensor& tensor = layer.output(j);
      ValueId id = graph.addValue(tensor.name());
      graph.value(id).range = tensor.dynamicRange();
      ids[&tensor] = id;
      node.outputs.push_back(id);
    }
    graph.addNode(std::move(node));
  }
  for (const auto& [tensor, name] : network.outputs)
    if (auto found = ids.find(tensor); found != ids.end())
      graph.outputs.push_back({found->second, name});
  return graph;
}

TensorInfo NetworkState::infoOf(const Tensor& tensor) const {
  if (tensor.isNetworkInput()) return {tensor.inputType_, tensor.inputDims_};
  auto place = std::find_if(layers.begin(), layers.end(),
                            [&](const auto& layer) { return layer.get() == tensor.producer_; });
  auto count = static_cast<std::size_t>(place - layers.begin()) + 1;
  Graph graph = makeGraph(*this, count, WeightCopy::kBorrow);
  ValueId id = graph.nodes.back().outputs[static_cast<std::size_t>(tensor.index_)];

  // Shape rules work on concrete dimensions. An open one is given two sizes in turn, large and with
  // many divisors: what differs between the two is open too.
  auto inferWith = [&](std::int64_t open) {
    std::vector<Dims> dims;
    for (const GraphInput& input : graph.inputs) {
      Dims concrete = input.info.dims;
      std::replace(concrete.begin(), concrete.end(), std::int64_t{-1}, open);
      dims.push_back(concrete);
    }
    return inferShapes(graph, dims).values[static_cast<std::size_t>(id)];
  };
  TensorInfo info = inferWith(384);
  bool open = std::any_of(graph.inputs.begin(), graph.inputs.end(),
                          [](const GraphInput& i) { return i.info.dims.isDynamic(); });
  if (open) {
    TensorInfo other = inferWith(768);
    for (int axis = 0; axis < info.dims.rank() && axis < other.dims.rank(); ++axis)
      if (info.dims[axis] != other.dims[axis]) info.dims[axis] = -1;
  }
  return info;
}

}  // namespace layerwise
