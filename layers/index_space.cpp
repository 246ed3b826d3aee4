#include "layers/index_space.h"

#include <algorithm>

namespace layerwise {

Dims rowMajorStrides(const Dims& dims) {
  if (dims.volume() == 0) return Dims::filled(dims.rank(), 0);
  Dims strides = Dims::filled(dims.rank(), 1);
  for (int axis = dims.rank() - 2; axis >= 0; --axis)
    strides[axis] = strides[axis + 1] * dims[axis + 1];
  return strides;
}

Dims broadcast(const ShapeContext& context, const Dims& a, const Dims& b) {
  Dims out = Dims::filled(std::max(a.rank(), b.rank()), 1);
  for (int i = 1; i <= out.rank(); ++i) {
    std::int64_t sizeA = i <= a.rank() ? a[a.rank() - i] : 1;
    std::int64_t sizeB = i <= b.rank() ? b[b.rank() - i] : 1;
    if (sizeA != sizeB && sizeA != 1 && sizeB != 1)
      context.fail("{} and {} do not broadcast", toString(a), toString(b));
    out[out.rank() - i] = sizeA == 1 ? sizeB : sizeA;
  }
  return out;
}

void expectBroadcastsTo(const ShapeContext& context, int index, const Dims& to) {
  const Dims& from = context.dims(index);
  bool fits = from.rank() <= to.rank();
  for (int i = 1; fits && i <= from.rank(); ++i) {
    std::int64_t size = from[from.rank() - i];
    fits = size == 1 || size == to[to.rank() - i];
  }
  if (!fits)
    context.fail("input {} is {} and does not broadcast to {}", index, toString(from),
                 toString(to));
}

Dims broadcastStrides(const Dims& dims, const Dims& to) {
  Dims dense = rowMajorStrides(dims);
  Dims strides = Dims::filled(to.rank(), 0);
  int missing = to.rank() - dims.rank();
  for (int axis = 0; axis < dims.rank(); ++axis)
    strides[axis + missing] = dims[axis] == 1 ? 0 : dense[axis];
  return strides;
}

AxisSplit::AxisSplit(const Dims& dims, int axis) : size(dims[axis]) {
  Dims before, after;
  for (int i = 0; i < axis; ++i) before.append(dims[i]);
  for (int i = axis + 1; i < dims.rank(); ++i) after.append(dims[i]);
  outer = before.volume();
  inner = after.volume();
}

}  // namespace layerwise
