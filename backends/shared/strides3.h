#pragma once

#include <cstdint>

#include "engine/tactic.h"

namespace layerwise {

/// The strides of three spatial axes, of which the leading ones that a tensor does not have are 0.
struct Strides3 {
  explicit Strides3(const BufferView& view) {
    int axes = view.dims.rank() - 2;
    for (int i = 0; i < 3; ++i) at[i] = i < 3 - axes ? 0 : view.strides[i + axes - 1];
  }
  std::int64_t operator()(std::int64_t z, std::int64_t y, std::int64_t x) const {
    return z * at[0] + y * at[1] + x * at[2];
  }
  std::int64_t at[3];
};

}  // namespace layerwise
