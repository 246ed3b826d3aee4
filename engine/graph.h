#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "layers/layer_kind.h"
#include "layerwise/engine.h"
#include "layerwise/network.h"

namespace layerwise {

using ValueId = int;
using NodeId = int;
inline constexpr int kNone = -1;

/// Immutable bytes shared between graphs, packed weights and a mapped plan file.
struct ConstantData {
  DataType type = DataType::kFloat32;
  std::int64_t count = 0;
  std::shared_ptr<const std::byte> bytes;  ///< aligned to 64; count x sizeOf(type) of them

  template <class T>
  const T* as() const {
    return reinterpret_cast<const T*>(bytes.get());
  }
  static ConstantData copyOf(DataType type, const void* values, std::int64_t count);
  template <class T>
  static ConstantData of(DataType type, const std::vector<T>& values) {
    return copyOf(type, values.data(), static_cast<std::int64_t>(values.size()));
  }
};

struct Value {
  std::string name;
  NodeId producer = kNone;  ///< kNone for a graph input
  int producerOutput = 0;
  std::vector<NodeId> consumers;  ///< a node once for each use; kept by Graph::connect
  std::optional<std::pair<double, double>> range;
};

struct Node {
  const LayerKind* kind = nullptr;
  std::shared_ptr<const void> attributes;
  std::string name;
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  std::vector<ConstantData> weights;
  std::optional<DataType> precision;
  std::vector<std::string> origin;  ///< the layers of the network that passes merged into this node

  template <class A>
  const A* as() const {
    return kind->name == A::kKind ? static_cast<const A*>(attributes.get()) : nullptr;
  }
  template <class A>
  void setAttributes(A value) {
    attributes = std::make_shared<A>(std::move(value));
  }
};

struct GraphInput {
  ValueId value = kNone;
  TensorInfo info;  ///< -1 where the profile leaves a dimension open
  ShapeRange range;
  std::vector<double> defaultValues;  ///< empty: must be set
};

struct GraphOutput {
  ValueId value = kNone;
  std::string name;
};

/// What the builder was allowed to do to the exactness of float32 layers. It belongs to the engine,
/// not to the device: wherever a plan is loaded, no tactic goes beyond it.
struct Numerics {
  /// The type that float32 tensors may be kept in between layers and that products may be taken of;
  /// sums are float32 or better. kFloat32, kFloat16 or kBFloat16.
  DataType floatType = DataType::kFloat32;
  /// Whether convolutions may be computed by Winograd's algorithm, and products of float32 as sums
  /// of three in TF32.
  bool winograd = true;
  /// Whether products of float32 may be taken of numbers rounded to TF32's 10 bits of fraction.
  bool tf32 = false;
  /// Whether layers whose type is kBFloat16 may keep their weights in 8 bits.
  bool weightOnly = true;
  bool operator==(const Numerics&) const = default;
};

/// A network in the form that the passes, the builder, the plan file and the runtime share: nodes
/// in topological order, device-neutral. Nodes and values that a pass removed stay as holes until
/// compact().
class Graph {
 public:
  std::string name;
  std::map<std::string, std::string> metadata;
  Numerics numerics;
  std::vector<Value> values;
  std::vector<Node> nodes;
  std::vector<GraphInput> inputs;
  std::vector<GraphOutput> outputs;

  ValueId addValue(std::string valueName);
  /// Appends a node and its outputs; the order must stay topological.
  NodeId addNode(Node node);
  bool isAlive(NodeId node) const { return nodes[static_cast<std::size_t>(node)].kind != nullptr; }
  bool isOutput(ValueId value) const;
  /// The floating-point type that a node may be computed in: what its layer wishes, else what the
  /// builder was asked for.
  DataType computeType(NodeId id) const { return node(id).precision.value_or(numerics.floatType); }
  /// Makes every use of `from`, outputs included, a use of `to`.
  void replaceUses(ValueId from, ValueId to);
  /// Recomputes producers and consumers; throws Error kBadFile where an index is outside, a value
  /// has two producers or none, or the order is not topological.
  void connect();
  /// Removes nodes that no output depends on, holes, and unused values; then connect().
  void compact();

  Node& node(NodeId id) { return nodes[static_cast<std::size_t>(id)]; }
  const Node& node(NodeId id) const { return nodes[static_cast<std::size_t>(id)]; }
  Value& value(ValueId id) { return values[static_cast<std::size_t>(id)]; }
  const Value& value(ValueId id) const { return values[static_cast<std::size_t>(id)]; }
};

/// The type and shape of every value for concrete input shapes, and the values of integer tensors
/// that follow from shapes.
struct ShapeTable {
  std::vector<TensorInfo> values;                                  ///< by ValueId
  std::vector<std::optional<std::vector<std::int64_t>>> integers;  ///< by ValueId
};

/// Runs all shape rules. `inputDims` in the order of graph.inputs.
ShapeTable inferShapes(const Graph& graph, const std::vector<Dims>& inputDims);

}  // namespace layerwise
