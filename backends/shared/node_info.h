#pragma once

#include <vector>

#include "engine/graph.h"
#include "engine/tactic.h"

namespace layerwise {

/// The types and shapes around a node.
struct NodeInfo {
  NodeInfo(const Graph& graph, const ShapeTable& shapes, NodeId id);
  const Node& node;
  std::vector<TensorInfo> inputs, outputs;
};

/// The type in which a portable tactic keeps a tensor: float32 for every floating-point type.
DataType memoryType(DataType type);
/// Whether all tensors around the node are of floating-point types.
bool allFloat(const NodeInfo& info);
/// Whether they are, or all int8, or all uint8.
bool allFloatOrEightBits(const NodeInfo& info);
/// Whether all are float32 in memory, int32, int64 or bool.
bool allCommonTypes(const NodeInfo& info);

/// A weight's values as float32, whatever its type.
std::vector<float> floatWeights(const ConstantData& weights);
/// The same without a copy where they are float32.
ConstantData floatData(const ConstantData& weights);

/// The strides with which an index of `to` reads a view that broadcasts to it.
Dims broadcastStrides(const BufferView& view, const Dims& to);

/// Whether a copy between the two views of one shape would copy each element onto itself.
bool liesInPlace(const BufferView& to, const BufferView& from);

}  // namespace layerwise
