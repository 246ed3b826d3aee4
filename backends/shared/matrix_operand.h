#pragma once

#include <cstdint>
#include <utility>

#include "engine/tactic.h"

namespace layerwise {

/// A matrix operand: sizes and strides of its two axes in the order of use.
struct MatrixOperand {
  std::int64_t rows = 1, columns = 1, rowStride = 0, columnStride = 0;
  int matrixAxes = 2;

  MatrixOperand(const BufferView& view, MatrixOperation operation, bool left) {
    int last = view.dims.rank() - 1;
    if (operation == MatrixOperation::kVector) {
      matrixAxes = 1;
      (left ? columns : rows) = view.dims[last];
      (left ? columnStride : rowStride) = view.strides[last];
      return;
    }
    rows = view.dims[last - 1], rowStride = view.strides[last - 1];
    columns = view.dims[last], columnStride = view.strides[last];
    if (operation == MatrixOperation::kTranspose) {
      std::swap(rows, columns);
      std::swap(rowStride, columnStride);
    }
  }
};

/// The view's leading axes, without the matrix.
inline BufferView leadingAxes(const BufferView& view, int matrixAxes) {
  BufferView batch = view;
  batch.dims = batch.strides = Dims();
  for (int i = 0; i < view.dims.rank() - matrixAxes; ++i) {
    batch.dims.append(view.dims[i]);
    batch.strides.append(view.strides[i]);
  }
  return batch;
}

}  // namespace layerwise
