#pragma once

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "engine/graph.h"

namespace layerwise {

/// Builds graphs for tests without a Network, with random weights from a fixed seed.
class GraphMaker {
 public:
  Graph graph;

  ValueId input(const std::string& name, const Dims& dims, DataType type = DataType::kFloat32) {
    return input(name, type, dims, {dims, dims, dims});
  }
  /// `dims` is -1 where the range is open.
  ValueId input(const std::string& name, DataType type, const Dims& dims, ShapeRange range) {
    ValueId value = graph.addValue(name);
    graph.inputs.push_back({.value = value, .info = {type, dims}, .range = std::move(range)});
    return value;
  }

  template <class A>
  ValueId add(A attributes, std::vector<ValueId> inputs, std::vector<ConstantData> weights = {}) {
    const LayerKind& kind = LayerRegistry::instance().at(A::kKind);
    std::string name = kind.name + "_" + std::to_string(graph.nodes.size());
    weights.resize(std::max(weights.size(), kind.weightRoles.size()));
    std::vector<ValueId> outputs;
    for (int i = 0; i < kind.outputs(&attributes); ++i)
      outputs.push_back(graph.addValue(i ? name + ":" + std::to_string(i) : name));
    Node node{.kind = &kind,
              .name = name,
              .inputs = std::move(inputs),
              .outputs = outputs,
              .weights = std::move(weights),
              .origin = {name}};
    node.setAttributes(std::move(attributes));
    graph.addNode(std::move(node));
    return outputs[0];
  }

  ValueId convolution(ValueId x, std::int64_t inputs, std::int64_t outputs, std::int64_t kernel,
                      std::int64_t groups = 1, bool bias = true) {
    Convolution a{{.outputs = outputs, .kernel = {kernel, kernel}, .groups = groups}};
    a.setPadding({kernel / 2, kernel / 2});
    return add(a, {x},
               {random(outputs * inputs / groups * kernel * kernel),
                bias ? random(outputs) : ConstantData()});
  }
  ValueId activation(ValueId x, ActivationType type, double alpha = 0, double beta = 0) {
    return add(Activation{type, alpha, beta}, {x});
  }
  ValueId elementwise(ValueId a, ValueId b, ElementWiseOperation operation) {
    return add(ElementWise{operation}, {a, b});
  }
  ValueId constant(const Dims& dims, ConstantData data) {
    return add(Constant{dims}, {}, {std::move(data)});
  }
  ValueId constant(const Dims& dims, std::vector<float> values) {
    return constant(dims, ConstantData::of(DataType::kFloat32, values));
  }
  ValueId integers(std::vector<std::int64_t> values) {
    return constant({static_cast<std::int64_t>(values.size())},
                    ConstantData::of(DataType::kInt64, values));
  }
  ValueId batchNorm(ValueId x, std::int64_t channels) {
    return add(BatchNorm{1e-3}, {x},
               {random(channels), random(channels), random(channels), random(channels, 0.5, 2)});
  }
  void output(ValueId value, const std::string& name) { graph.outputs.push_back({value, name}); }

  ConstantData random(std::int64_t count, double low = -1, double high = 1) {
    std::uniform_real_distribution<float> distribution(static_cast<float>(low),
                                                       static_cast<float>(high));
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float& value : values) value = distribution(generator_);
    return ConstantData::of(DataType::kFloat32, values);
  }
  ReferenceTensor randomTensor(const Dims& dims, double low = -2, double high = 2) {
    ReferenceTensor tensor({DataType::kFloat32, dims});
    std::uniform_real_distribution<double> distribution(low, high);
    for (double& value : tensor.values) value = distribution(generator_);
    tensor.round();
    return tensor;
  }

 private:
  std::mt19937 generator_{7};
};

}  // namespace layerwise
