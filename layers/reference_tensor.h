#pragma once

#include <cstdint>
#include <vector>

#include "layerwise/plugin.h"

namespace layerwise {

/// A dense row-major tensor of the reference computation: every element as a double, whatever its
/// type. Integers are exact up to 2^53; round() brings the values onto those that the type can
/// hold.
struct ReferenceTensor {
  TensorInfo info;
  std::vector<double> values;

  ReferenceTensor() = default;
  explicit ReferenceTensor(TensorInfo tensorInfo)
      : info(std::move(tensorInfo)), values(static_cast<std::size_t>(info.dims.volume())) {}

  /// Rounds each value to the nearest one of info.type (integers: truncated towards zero and
  /// saturated).
  void round();

  /// Conversions from and to memory of info.type.
  static ReferenceTensor read(const TensorInfo& info, const void* data);
  void write(void* data) const;
};

}  // namespace layerwise
