#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/graph.h"

namespace layerwise {

/// What holds of the values' shapes for all shapes that the profile allows. Found by running the
/// shape rules on its least, best and largest shapes and on odd ones between them. Values that are
/// added to the graph later have no facts.
class ShapeFacts {
 public:
  explicit ShapeFacts(const Graph& graph);

  DataType type(ValueId value) const { return info(0, value).type; }
  bool isFloat(ValueId value) const { return layerwise::isFloat(type(value)); }
  int rank(ValueId value) const { return info(0, value).dims.rank(); }
  bool sameDims(ValueId a, ValueId b) const;
  std::optional<std::int64_t> fixedDim(ValueId value, int axis) const;
  std::optional<Dims> fixedDims(ValueId value) const;
  /// The values of a small integer tensor.
  std::optional<std::vector<std::int64_t>> fixedIntegers(ValueId value) const;

 private:
  const TensorInfo& info(std::size_t probe, ValueId value) const {
    return probes_[probe].values[static_cast<std::size_t>(value)];
  }

  std::vector<ShapeTable> probes_;
};

}  // namespace layerwise
