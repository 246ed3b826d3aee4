#include "passes/passes.h"
#include "passes/rewrite.h"
#include "passes/shape_facts.h"

namespace layerwise {

bool recognizeFullyConnected(Graph& graph) {
  ShapeFacts facts(graph);
  bool changed = false;
  for (NodeId id = 0; id < static_cast<NodeId>(graph.nodes.size()); ++id) {
    if (!graph.isAlive(id)) continue;
    const Node& node = graph.node(id);
    auto* product = node.as<MatrixMultiply>();
    if (!product || product->a != MatrixOperation::kNone || product->b == MatrixOperation::kVector)
      continue;
    ValueId x = node.inputs[0], matrix = node.inputs[1];
    auto* constant = producedBy<Constant>(graph, matrix);
    if (!constant || constant->dims.rank() != 2 || !facts.isFloat(x) || facts.rank(x) < 2) continue;
    NodeId source = graph.value(matrix).producer;
    ConstantData kernel = graph.node(source).weights[0];
    std::int64_t outputs = constant->dims[0];
    if (product->b == MatrixOperation::kNone) {
      // The kernel of a fully connected layer is the transposed matrix.
      std::int64_t rows = constant->dims[0];
      outputs = constant->dims[1];
      std::vector<double> given = readConstant(kernel), transposed(given.size());
      for (std::int64_t k = 0; k < rows; ++k)
        for (std::int64_t o = 0; o < outputs; ++o)
          transposed[static_cast<std::size_t>(o * rows + k)] =
              given[static_cast<std::size_t>(k * outputs + o)];
      kernel = floatConstant(transposed);
    }
    become(graph, id, FullyConnected{.outputs = outputs, .axis = facts.rank(x) - 1}, {x},
           {std::move(kernel)}, std::span(&source, 1));
    changed = true;
  }
  return changed;
}

}  // namespace layerwise
