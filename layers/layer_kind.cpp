#include "layers/layer_kind.h"

namespace layerwise {

void registerAllLayers(LayerRegistry& registry);

void ShapeContext::expectWeights(int slot, std::string_view role, const Dims& dims,
                                 bool optional) const {
  std::int64_t count = weights[static_cast<std::size_t>(slot)].count;
  if (count == 0 && optional) return;
  if (count != dims.volume())
    fail("{} holds {} values, {} needed ({})", role, count, dims.volume(), toString(dims));
}

void ShapeContext::expectRank(int index, int low, int high) const {
  int rank = dims(index).rank();
  if (rank < low || rank > high)
    fail("input {} is {}: {} axes, {} to {} needed", index, toString(dims(index)), rank, low, high);
}

void ShapeContext::expectFloat(int index) const {
  if (!isFloat(type(index)))
    fail("input {} is {}, a floating-point type is needed", index, toString(type(index)));
}

void ShapeContext::expectSameType(int a, int b) const {
  if (type(a) != type(b))
    fail("input {} is {} and input {} is {}: one type is needed", a, toString(type(a)), b,
         toString(type(b)));
}

Dims ShapeContext::shapeValues(int index, std::string_view role) const {
  const ShapeInput& input = inputs[static_cast<std::size_t>(index)];
  if (!isInteger(input.info.type) || input.info.dims.rank() != 1 ||
      input.info.dims[0] > Dims::kMaxRank)
    fail("{} (input {}) is {} {}: integers on one axis, at most {}, are needed", role, index,
         toString(input.info.type), toString(input.info.dims), Dims::kMaxRank);
  if (!input.values)
    fail("{} (input {}) does not follow from shapes and constants alone", role, index);
  Dims dims;
  for (std::int64_t value : *input.values) dims.append(value);
  return dims;
}

int ShapeContext::axis(std::int64_t axis, int rank, std::string_view attribute) const {
  std::int64_t counted = axis < 0 ? axis + rank : axis;
  if (counted < 0 || counted >= rank)
    fail("{} {} is outside a tensor of {} axes", attribute, axis, rank);
  return static_cast<int>(counted);
}

const LayerRegistry& LayerRegistry::instance() {
  static const LayerRegistry registry = [] {
    LayerRegistry all;
    registerAllLayers(all);
    return all;
  }();
  return registry;
}

void LayerRegistry::add(LayerKind kind) {
  std::string name = kind.name;
  if (!kinds_.emplace(name, std::move(kind)).second)
    throw Error(ErrorCode::kInternal, fmt::format("[layer {}] is registered twice", name));
}

const LayerKind* LayerRegistry::find(std::string_view name) const {
  auto found = kinds_.find(name);
  return found == kinds_.end() ? nullptr : &found->second;
}

const LayerKind& LayerRegistry::at(std::string_view name) const {
  const LayerKind* kind = find(name);
  if (!kind)
    throw Error(ErrorCode::kUnsupported,
                fmt::format("[layer {}] there is no such kind of layer", name));
  return *kind;
}

std::vector<std::string> LayerRegistry::names() const {
  std::vector<std::string> names;
  for (const auto& [name, kind] : kinds_) names.push_back(name);
  return names;
}

namespace {

void expectSizes(const ShapeContext& context, std::string_view what, const Dims& dims) {
  for (std::int64_t size : dims)
    if (size < 0 || size > kMaxSize)
      context.fail("an {} would be {}: sizes are 0...{}", what, toString(dims), kMaxSize);
  dims.volume();
}

}  // namespace

std::vector<TensorInfo> inferLayer(const LayerKind& kind, const void* attributes,
                                   const ShapeContext& context, std::string_view name) {
  auto count = static_cast<int>(context.inputs.size());
  if (count < kind.minInputs || count > kind.maxInputs)
    context.fail("{} inputs, {} to {} needed", count, kind.minInputs, kind.maxInputs);
  if (!kind.weightRoles.empty() && context.weights.size() != kind.weightRoles.size())
    context.fail("{} weights, {} needed", context.weights.size(), kind.weightRoles.size());
  for (const ShapeInput& input : context.inputs) expectSizes(context, "input", input.info.dims);
  std::vector<TensorInfo> outputs;
  try {
    outputs = kind.infer(attributes, context);
    for (const TensorInfo& output : outputs) expectSizes(context, "output", output.dims);
  } catch (const Error& error) {
    std::string prefix = fmt::format("[{} {}]", kind.name, name);
    if (std::string_view(error.what()).starts_with(prefix)) throw;
    throw Error(error.code(), fmt::format("{} {}", prefix, error.what()));
  }
  return outputs;
}

}  // namespace layerwise
