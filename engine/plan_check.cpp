#include "engine/plan_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "engine/compile.h"
#include "layerwise/error.h"

namespace layerwise {
namespace {

/// Far above what any machine holds, far below what overflows.
constexpr std::int64_t kMaxTensorBytes = std::int64_t{1} << 40;

template <class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(ErrorCode::kBadFile, fmt::format(format, std::forward<Args>(args)...));
}

void checkNode(Node& node) {
  std::size_t roles = node.kind->weightRoles.size();
  bool isPlugin = node.kind->name == PluginLayer::kKind;
  if (!isPlugin && node.weights.size() > roles)
    fail("[{} {}] has {} weights, at most {} needed", node.kind->name, node.name,
         node.weights.size(), roles);
  if (!isPlugin) node.weights.resize(roles);
  auto outputs = static_cast<std::size_t>(node.kind->outputs(node.attributes.get()));
  if (node.outputs.size() != outputs)
    fail("[{} {}] has {} outputs, {} needed", node.kind->name, node.name, node.outputs.size(),
         outputs);
}

void checkInput(const std::string& name, const GraphInput& input) {
  const Dims& dims = input.info.dims;
  const ShapeRange& range = input.range;
  for (const Dims* other : {&range.min, &range.opt, &range.max})
    if (other->rank() != dims.rank())
      fail("input {} is {}, its range {}", name, toString(dims), toString(*other));
  for (int axis = 0; axis < dims.rank(); ++axis) {
    std::int64_t low = range.min[axis], best = range.opt[axis], high = range.max[axis];
    bool fits = dims[axis] == -1 ? 0 <= low && low <= best && best <= high
                                 : dims[axis] >= 0 && low == dims[axis] && best == dims[axis] &&
                                       high == dims[axis];
    if (!fits)
      fail("input {} is {}, its range {} to {}, best {}", name, toString(dims), toString(range.min),
           toString(range.max), toString(range.opt));
  }
  std::size_t defaults = input.defaultValues.size();
  if (defaults && (dims.isDynamic() || static_cast<std::int64_t>(defaults) != dims.volume()))
    fail("input {} is {} and has {} default values", name, toString(dims), defaults);
}

void checkNames(const Graph& graph) {
  std::set<std::string_view> inputs, outputs;
  for (const GraphInput& input : graph.inputs)
    if (const std::string& name = graph.value(input.value).name; !inputs.insert(name).second)
      fail("has two inputs named {}", name);
  for (const GraphOutput& output : graph.outputs)
    if (!outputs.insert(output.name).second) fail("has two outputs named {}", output.name);
  if (graph.outputs.empty()) fail("has no outputs");
}

void checkShapes(const Graph& graph, const std::vector<Dims>& dims) {
  // The inputs first, and each dimension: shape rules calculate with them.
  for (std::size_t i = 0; i < dims.size(); ++i)
    if (dims[i].volume() > kMaxTensorBytes ||
        std::any_of(dims[i].begin(), dims[i].end(), [](auto dim) { return dim > kMaxTensorBytes; }))
      fail("input {} is {}", graph.value(graph.inputs[i].value).name, toString(dims[i]));
  ShapeTable table = inferShapes(graph, dims);
  std::int64_t total = 0;
  for (std::size_t i = 0; i < table.values.size(); ++i) {
    const TensorInfo& info = table.values[i];
    std::int64_t elements = info.dims.volume();
    auto size = static_cast<std::int64_t>(sizeOf(info.type));
    if (elements > (kMaxTensorBytes - total) / size)
      fail("value {} is {}: all tensors together exceed {} bytes", graph.values[i].name,
           toString(info.dims), kMaxTensorBytes);
    total += elements * size;
  }
}

}  // namespace

void checkGraph(Graph& graph) {
  graph.connect();
  std::vector<bool> isInput(graph.values.size(), false);
  for (const GraphInput& input : graph.inputs)
    isInput[static_cast<std::size_t>(input.value)] = true;
  for (std::size_t i = 0; i < graph.values.size(); ++i)
    if (graph.values[i].producer == kNone && !isInput[i])
      fail("value {} is never written", graph.values[i].name);
  for (Node& node : graph.nodes) checkNode(node);
  checkNames(graph);
  for (const GraphInput& input : graph.inputs) checkInput(graph.value(input.value).name, input);
  std::optional<std::vector<Dims>> checked;  // mostly all three are the same
  for (auto which : {&ShapeRange::min, &ShapeRange::opt, &ShapeRange::max}) {
    std::vector<Dims> dims = inputDims(graph, which);
    if (dims == checked) continue;
    checkShapes(graph, dims);
    checked = std::move(dims);
  }
}

}  // namespace layerwise
