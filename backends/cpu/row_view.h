#pragma once

#include <cstdint>

#include "backends/cpu/loop_nest.h"
#include "engine/tactic.h"

namespace layerwise::cpu {

/// A tensor as rows: how many, where each begins, and how many elements each holds.
struct RowView {
  BufferView view;
  Dims dims, strides;  ///< of the axes over which rows run
  std::int64_t length = 1;
  bool contiguous = true;  ///< each row is one run of memory

  RowView(const BufferView& tensor, int axis) : view(tensor) {
    for (int i = 0; i < axis; ++i) {
      dims.append(tensor.dims[i]);
      strides.append(tensor.strides[i]);
    }
    for (int i = tensor.dims.rank() - 1; i >= axis; --i) {
      if (tensor.dims[i] != 1 && tensor.strides[i] != length) contiguous = false;
      length *= tensor.dims[i];
    }
  }

  std::int64_t rows() const { return dims.volume(); }

  std::int64_t offset(std::int64_t row) const {
    std::int64_t at = 0;
    for (int axis = dims.rank() - 1; axis >= 0; row /= dims[axis--])
      at += row % dims[axis] * strides[axis];
    return at;
  }
};

/// A row's elements in their logical order.
inline LoopNest<2> gatherOf(const BufferView& view, int axis) {
  std::vector<LoopNest<2>::Loop> loops;
  std::int64_t length = 1;
  for (int i = view.dims.rank() - 1; i >= axis; --i) {
    loops.push_back({view.dims[i], {length, view.strides[i]}});
    length *= view.dims[i];
  }
  return LoopNest<2>(loops);
}

/// Copies a row by gatherOf() to where its elements follow one another.
template <class T>
void copyRow(const LoopNest<2>& gather, const T* from, T* to) {
  auto step = gather.runStrides();
  gather.runAll([&](const auto& at, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) to[at[0] + i * step[0]] = from[at[1] + i * step[1]];
  });
}

}  // namespace layerwise::cpu
