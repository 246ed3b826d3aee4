#include <algorithm>

#include "passes/passes.h"
#include "passes/rewrite.h"
#include "passes/shape_facts.h"

namespace layerwise {
namespace {

bool poolsWholeMap(const ShapeFacts& facts, const Node& node, const Pooling& pooling) {
  auto isZero = [](std::int64_t p) { return p == 0; };
  if (pooling.global ||
      !std::all_of(pooling.prePadding.begin(), pooling.prePadding.end(), isZero) ||
      !std::all_of(pooling.postPadding.begin(), pooling.postPadding.end(), isZero))
    return false;
  for (int axis = 2; axis < facts.rank(node.inputs[0]); ++axis)
    if (facts.fixedDim(node.inputs[0], axis) != pooling.window[axis - 2] ||
        facts.fixedDim(node.outputs[0], axis) != 1)
      return false;
  return true;
}

/// The pooling that a reduction over all spatial axes is.
std::optional<PoolingType> spatialReduction(const Reduce& reduce, int rank) {
  if (rank < 3 || rank > 5) return {};
  std::vector<std::int64_t> axes = reduce.axes;
  for (std::int64_t& axis : axes)
    if (axis < 0) axis += rank;
  std::sort(axes.begin(), axes.end());
  if (static_cast<int>(axes.size()) != rank - 2) return {};
  for (int axis = 2; axis < rank; ++axis)
    if (axes[static_cast<std::size_t>(axis - 2)] != axis) return {};
  if (reduce.operation == ReduceOperation::kAverage) return PoolingType::kAverage;
  if (reduce.operation == ReduceOperation::kMax) return PoolingType::kMax;
  return {};
}

}  // namespace

bool recognizeGlobalPooling(Graph& graph) {
  ShapeFacts facts(graph);
  bool changed = false;
  for (NodeId id = 0; id < static_cast<NodeId>(graph.nodes.size()); ++id) {
    if (!graph.isAlive(id)) continue;
    const Node& node = graph.node(id);
    if (auto* pooling = node.as<Pooling>()) {
      if (!poolsWholeMap(facts, node, *pooling)) continue;
      become(graph, id, Pooling{.type = pooling->type, .global = true}, {node.inputs[0]});
      changed = true;
    } else if (auto* reduce = node.as<Reduce>(); reduce && facts.isFloat(node.inputs[0])) {
      auto type = spatialReduction(*reduce, facts.rank(node.inputs[0]));
      if (!type) continue;
      // Where the spatial axes vanish, a reshape follows: it moves nothing.
      bool keep = reduce->keepDimensions;
      ValueId output = node.outputs[0];
      become(graph, id, Pooling{.type = *type, .global = true}, {node.inputs[0]});
      if (!keep) {
        ValueId pooled = graph.addValue(graph.value(output).name + ".pooled");
        graph.node(id).outputs = {pooled};
        Node shuffle{.kind = &LayerRegistry::instance().at(Shuffle::kKind),
                     .name = graph.node(id).name + ".reshape",
                     .inputs = {pooled},
                     .outputs = {output}};
        Shuffle attributes;
        attributes.setReshape({0, 0});
        shuffle.setAttributes(attributes);
        graph.nodes.insert(graph.nodes.begin() + id + 1, std::move(shuffle));
        graph.connect();
        ++id;
      }
      changed = true;
    }
  }
  return changed;
}

}  // namespace layerwise
