#pragma once

#include <string>

#include "layerwise/data_type.h"
#include "layerwise/dims.h"

namespace layerwise {

/// How a tensor lies in memory, without its strides: those follow from the shape, and from the
/// larger tensor where it is a slice of one.
struct Layout {
  DataType type = DataType::kFloat32;
  /// The axes from the outermost to the innermost; empty: row-major.
  Dims order;

  bool operator==(const Layout&) const = default;
  bool isLinear() const { return order.empty(); }

  static Layout linear(DataType type) { return {type, {}}; }
  /// N, spatial axes, C; for ranks below 3 this is linear().
  static Layout channelsLast(DataType type, int rank);
};

/// "float32 linear", "float32 channels_last".
std::string toString(const Layout& layout);

/// Strides in elements, one an axis, of a dense tensor.
Dims denseStrides(const Layout& layout, const Dims& dims);

}  // namespace layerwise
