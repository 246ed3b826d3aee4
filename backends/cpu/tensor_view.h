#pragma once

#include "backends/cpu/conv.h"
#include "engine/tactic.h"

namespace layerwise::cpu {

/// The kernels' view of a float tensor N, C, H, W; of N, C, W as H = 1.
inline View viewOf(const BufferView& view) {
  int rank = view.dims.rank();
  return {view.strides[0], rank == 4 ? view.strides[2] : 0, view.strides[rank - 1],
          view.strides[1]};
}

/// Sizes by the kernels' names; H is 1 for tensors of rank 3.
struct ImageSize {
  std::int64_t n, h, w, c;
  explicit ImageSize(const Dims& d)
      : n(d[0]), h(d.rank() == 4 ? d[2] : 1), w(d[d.rank() - 1]), c(d[1]) {}
};

}  // namespace layerwise::cpu
