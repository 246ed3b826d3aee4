#pragma once

#include <vector>

#include "backends/shared/loops.h"
#include "engine/tactic.h"

namespace layerwise {

/// What all three modes come down to: at each place of an index space, a tuple of indices names
/// where in the data a slice begins, and the slice is copied.
struct GatherPlan {
  /// Operands: output, indices, data (batch axes only).
  std::vector<Loop<3>> places;
  struct Lookup {
    std::int64_t indexStride, size, dataStride;
  };
  std::vector<Lookup> tuple;
  std::vector<Loop<2>> slice;  ///< operands: output, data
};

GatherPlan planGather(const Gather& a, const BufferView& data, const BufferView& indices,
                      const BufferView& out);

}  // namespace layerwise
