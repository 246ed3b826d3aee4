#include <algorithm>

#include "passes/passes.h"
#include "passes/rewrite.h"
#include "passes/shape_facts.h"

namespace layerwise {
namespace {

bool all(const Dims& dims, std::int64_t value) {
  return std::all_of(dims.begin(), dims.end(), [&](std::int64_t d) { return d == value; });
}

bool isIdentityPermutation(const Dims& order) {
  for (int axis = 0; axis < order.rank(); ++axis)
    if (order[axis] != axis) return false;
  return true;
}

/// Whether a scale's weight is absent or the same number everywhere.
bool isAll(const ConstantData& weight, double value) {
  std::vector<double> values = readConstant(weight);
  return std::all_of(values.begin(), values.end(), [&](double v) { return v == value; });
}

/// Given that input 0 and the output have the same shape and type.
bool isIdentity(const Node& node) {
  if (node.as<Identity>() || node.as<Cast>()) return true;
  if (node.as<Concatenation>()) return node.inputs.size() == 1;
  if (auto* a = node.as<Shuffle>())
    return isIdentityPermutation(a->firstTranspose) && isIdentityPermutation(a->secondTranspose);
  if (auto* a = node.as<Slice>())
    return node.inputs.size() == 1 &&
           std::all_of(a->step.begin(), a->step.end(), [](std::int64_t s) { return s > 0; });
  if (auto* a = node.as<Padding>()) return all(a->pre, 0) && all(a->post, 0);
  if (auto* a = node.as<Resize>())
    return std::all_of(a->scales.begin(), a->scales.end(), [](double s) { return s == 1; });
  if (auto* a = node.as<PixelShuffle>()) return a->factor == 1;
  if (auto* a = node.as<Pooling>())
    return !a->global && all(a->window, 1) && all(a->stride, 1) && all(a->prePadding, 0) &&
           all(a->postPadding, 0);
  if (node.as<Scale>())
    return isAll(weightOf(node, 0), 0) && isAll(weightOf(node, 1), 1) &&
           isAll(weightOf(node, 2), 1);
  return false;
}

}  // namespace

bool removeIdentities(Graph& graph) {
  ShapeFacts facts(graph);
  bool changed = false;
  for (NodeId id = 0; id < static_cast<NodeId>(graph.nodes.size()); ++id) {
    if (!graph.isAlive(id)) continue;
    const Node& node = graph.node(id);
    if (node.inputs.empty() || node.outputs.size() != 1) continue;
    ValueId from = node.outputs[0], to = node.inputs[0];
    if (facts.type(from) != facts.type(to) || !facts.sameDims(from, to) || !isIdentity(node))
      continue;
    // An output is a tensor that a layer writes.
    if (graph.isOutput(from) && (graph.value(to).producer == kNone || graph.isOutput(to))) continue;
    if (!graph.value(to).range) graph.value(to).range = graph.value(from).range;
    graph.replaceUses(from, to);
    removeNode(graph, id);
    changed = true;
  }
  return changed;
}

}  // namespace layerwise
