#include "backends/shared/node_info.h"

#include <algorithm>

#include "layers/float16.h"

namespace layerwise {
namespace {

bool isCommonType(const TensorInfo& info) {
  DataType type = memoryType(info.type);
  return type == DataType::kFloat32 || type == DataType::kInt32 || type == DataType::kInt64 ||
         type == DataType::kBool;
}

template <class Test>
bool all(const NodeInfo& info, Test&& test) {
  return std::all_of(info.inputs.begin(), info.inputs.end(), test) &&
         std::all_of(info.outputs.begin(), info.outputs.end(), test);
}

template <class T, class Convert>
std::vector<float> converted(const ConstantData& weights, Convert&& convert) {
  std::vector<float> values(static_cast<std::size_t>(weights.count));
  std::transform(weights.as<T>(), weights.as<T>() + weights.count, values.begin(), convert);
  return values;
}

}  // namespace

NodeInfo::NodeInfo(const Graph& graph, const ShapeTable& shapes, NodeId id) : node(graph.node(id)) {
  for (ValueId value : node.inputs)
    inputs.push_back(shapes.values[static_cast<std::size_t>(value)]);
  for (ValueId value : node.outputs)
    outputs.push_back(shapes.values[static_cast<std::size_t>(value)]);
}

DataType memoryType(DataType type) {
  return isFloat(type) ? DataType::kFloat32 : type;
}

bool allFloat(const NodeInfo& info) {
  return all(info, [](const TensorInfo& tensor) { return isFloat(tensor.type); });
}

bool allFloatOrEightBits(const NodeInfo& info) {
  auto is = [&](DataType type) {
    return all(info, [&](const TensorInfo& tensor) { return tensor.type == type; });
  };
  return allFloat(info) || is(DataType::kInt8) || is(DataType::kUInt8);
}

bool allCommonTypes(const NodeInfo& info) {
  return all(info, isCommonType);
}

std::vector<float> floatWeights(const ConstantData& weights) {
  auto plain = [](auto value) { return static_cast<float>(value); };
  switch (weights.type) {
    case DataType::kFloat32:
      return converted<float>(weights, plain);
    case DataType::kFloat16:
      return converted<std::uint16_t>(weights, halfToFloat);
    case DataType::kBFloat16:
      return converted<std::uint16_t>(weights, bfloat16ToFloat);
    case DataType::kInt8:
      return converted<std::int8_t>(weights, plain);
    case DataType::kUInt8:
    case DataType::kBool:
      return converted<std::uint8_t>(weights, plain);
    case DataType::kInt32:
      return converted<std::int32_t>(weights, plain);
    case DataType::kInt64:
      return converted<std::int64_t>(weights, plain);
  }
  return {};
}

ConstantData floatData(const ConstantData& weights) {
  return weights.type == DataType::kFloat32
             ? weights
             : ConstantData::of(DataType::kFloat32, floatWeights(weights));
}

Dims broadcastStrides(const BufferView& view, const Dims& to) {
  Dims strides = Dims::filled(to.rank(), 0);
  int missing = to.rank() - view.dims.rank();
  for (int axis = 0; axis < view.dims.rank(); ++axis)
    strides[axis + missing] = view.dims[axis] == 1 ? 0 : view.strides[axis];
  return strides;
}

bool liesInPlace(const BufferView& to, const BufferView& from) {
  if (to.buffer != from.buffer || to.byteOffset != from.byteOffset) return false;
  for (int axis = 0; axis < to.dims.rank(); ++axis)
    if (to.dims[axis] > 1 && to.strides[axis] != from.strides[axis]) return false;
  return true;
}

}  // namespace layerwise
