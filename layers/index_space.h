#pragma once

#include <cstdint>
#include <utility>

#include "layers/layer_kind.h"

namespace layerwise {

/// Strides in elements, one an axis, of a dense row-major tensor; 0 where it has no elements.
Dims rowMajorStrides(const Dims& dims);

inline std::int64_t offsetOf(const Dims& index, const Dims& strides) {
  std::int64_t offset = 0;
  for (int axis = 0; axis < index.rank(); ++axis) offset += index[axis] * strides[axis];
  return offset;
}

/// Calls f(index) for every element of a tensor of `dims`, in row-major order.
template <class F>
void forEachIndex(const Dims& dims, F&& f) {
  if (dims.volume() == 0) return;
  Dims index = Dims::filled(dims.rank(), 0);
  for (;;) {
    f(std::as_const(index));
    int axis = dims.rank() - 1;
    for (; axis >= 0 && ++index[axis] == dims[axis]; --axis) index[axis] = 0;
    if (axis < 0) return;
  }
}

/// NumPy broadcasting of two shapes, aligned at the last axis; throws through the context.
Dims broadcast(const ShapeContext& context, const Dims& a, const Dims& b);

/// Throws where input `index` does not broadcast to `to` without making it larger.
void expectBroadcastsTo(const ShapeContext& context, int index, const Dims& to);

/// The strides with which an index of `to` reads a dense tensor of `dims` that broadcasts to it.
Dims broadcastStrides(const Dims& dims, const Dims& to);

/// A shape seen as three axes around `axis`.
struct AxisSplit {
  std::int64_t outer = 1;
  std::int64_t size = 1;
  std::int64_t inner = 1;
  AxisSplit(const Dims& dims, int axis);
};

}  // namespace layerwise
