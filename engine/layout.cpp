#include "engine/layout.h"

#include <fmt/format.h>

namespace layerwise {

Layout Layout::channelsLast(DataType type, int rank) {
  if (rank < 3) return linear(type);
  Dims order{0};
  for (int axis = 2; axis < rank; ++axis) order.append(axis);
  order.append(1);
  return {type, order};
}

std::string toString(const Layout& layout) {
  std::string text(toString(layout.type));
  if (layout.order.empty()) return text + " linear";
  if (layout == Layout::channelsLast(layout.type, layout.order.rank()))
    return text + " channels_last";
  return fmt::format("{} order {}", text, toString(layout.order));
}

Dims denseStrides(const Layout& layout, const Dims& dims) {
  Dims strides = Dims::filled(dims.rank(), 1);
  std::int64_t stride = 1;
  for (int i = dims.rank() - 1; i >= 0; --i) {
    int axis = layout.order.empty() ? i : static_cast<int>(layout.order[i]);
    strides[axis] = stride;
    stride *= dims[axis];
  }
  return strides;
}

}  // namespace layerwise
