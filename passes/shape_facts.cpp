#include "passes/shape_facts.h"

#include <algorithm>

#include "layerwise/error.h"

namespace layerwise {
namespace {

template <class F>
std::vector<Dims> forEachInput(const Graph& graph, F&& dimension) {
  std::vector<Dims> all;
  for (const GraphInput& input : graph.inputs) {
    Dims dims = input.info.dims;
    for (int axis = 0; axis < dims.rank(); ++axis)
      if (dims[axis] == -1) dims[axis] = dimension(input.range, axis);
    all.push_back(dims);
  }
  return all;
}

}  // namespace

ShapeFacts::ShapeFacts(const Graph& graph) {
  probes_.push_back(
      inferShapes(graph, forEachInput(graph, [](const ShapeRange& r, int i) { return r.opt[i]; })));
  bool dynamic = std::any_of(graph.inputs.begin(), graph.inputs.end(),
                             [](const GraphInput& input) { return input.info.dims.isDynamic(); });
  if (!dynamic) return;
  auto low = [](const ShapeRange& r, int i) { return r.min[i]; };
  auto high = [](const ShapeRange& r, int i) { return r.max[i]; };
  probes_.push_back(inferShapes(graph, forEachInput(graph, low)));
  probes_.push_back(inferShapes(graph, forEachInput(graph, high)));
  // What is the same at both ends may differ between them (a remainder of a division); the network
  // need not allow these shapes.
  auto nextToLow = [](const ShapeRange& r, int i) { return std::min(r.min[i] + 1, r.max[i]); };
  auto middle = [](const ShapeRange& r, int i) { return r.min[i] + (r.max[i] - r.min[i]) / 2; };
  for (const std::vector<Dims>& dims :
       {forEachInput(graph, nextToLow), forEachInput(graph, middle)}) {
    try {
      probes_.push_back(inferShapes(graph, dims));
    } catch (const Error&) {
    }
  }
}

bool ShapeFacts::sameDims(ValueId a, ValueId b) const {
  for (std::size_t i = 0; i < probes_.size(); ++i)
    if (!(info(i, a).dims == info(i, b).dims)) return false;
  return true;
}

std::optional<std::int64_t> ShapeFacts::fixedDim(ValueId value, int axis) const {
  std::int64_t dim = info(0, value).dims[axis];
  for (std::size_t i = 1; i < probes_.size(); ++i)
    if (info(i, value).dims.rank() <= axis || info(i, value).dims[axis] != dim) return {};
  return dim;
}

std::optional<Dims> ShapeFacts::fixedDims(ValueId value) const {
  for (std::size_t i = 1; i < probes_.size(); ++i)
    if (!(info(i, value).dims == info(0, value).dims)) return {};
  return info(0, value).dims;
}

std::optional<std::vector<std::int64_t>> ShapeFacts::fixedIntegers(ValueId value) const {
  auto integers = [&](std::size_t i) -> const auto& {
    return probes_[i].integers[static_cast<std::size_t>(value)];
  };
  for (std::size_t i = 1; i < probes_.size(); ++i)
    if (integers(i) != integers(0)) return {};
  return integers(0);
}

}  // namespace layerwise
