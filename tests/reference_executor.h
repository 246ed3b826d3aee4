#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/graph.h"
#include "layerwise/error.h"

namespace layerwise {

/// Evaluates a graph node by node with the layers' reference computations, rounding every tensor to
/// its type: what any engine of the graph must give, up to its tolerance.
class ReferenceExecutor {
 public:
  explicit ReferenceExecutor(const Graph& graph) : graph_(graph) {}

  /// `inputs` by name; those that have default values may be left out. Gives every value of the
  /// graph, by ValueId.
  std::vector<ReferenceTensor> runAll(const std::map<std::string, ReferenceTensor>& inputs) const {
    std::vector<ReferenceTensor> values(graph_.values.size());
    std::vector<Dims> dims;
    for (const GraphInput& input : graph_.inputs) {
      auto found = inputs.find(graph_.value(input.value).name);
      ReferenceTensor& value = at(values, input.value);
      if (found != inputs.end()) {
        value = found->second;
      } else {
        value.info = input.info;
        value.values = input.defaultValues;
      }
      dims.push_back(value.info.dims);
    }
    ShapeTable shapes = inferShapes(graph_, dims);
    for (const Node& node : graph_.nodes)
      if (node.kind) runNode(node, shapes, values);
    return values;
  }

  /// The graph's outputs by name.
  std::map<std::string, ReferenceTensor> run(
      const std::map<std::string, ReferenceTensor>& inputs) const {
    std::vector<ReferenceTensor> values = runAll(inputs);
    std::map<std::string, ReferenceTensor> outputs;
    for (const GraphOutput& output : graph_.outputs)
      outputs[output.name] = at(values, output.value);
    return outputs;
  }

 private:
  static ReferenceTensor& at(std::vector<ReferenceTensor>& values, ValueId id) {
    return values[static_cast<std::size_t>(id)];
  }

  static void runNode(const Node& node, const ShapeTable& shapes,
                      std::vector<ReferenceTensor>& values) {
    std::vector<ReferenceTensor> inputs, weights, outputs;
    for (ValueId id : node.inputs) inputs.push_back(at(values, id));
    for (const ConstantData& weight : node.weights)
      weights.push_back(ReferenceTensor::read({weight.type, {weight.count}}, weight.bytes.get()));
    for (ValueId id : node.outputs)
      outputs.emplace_back(shapes.values[static_cast<std::size_t>(id)]);
    node.kind->reference(node.attributes.get(), {inputs, weights, outputs});
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      outputs[i].round();
      at(values, node.outputs[i]) = std::move(outputs[i]);
    }
  }

  const Graph& graph_;
};

}  // namespace layerwise
