#pragma once

#include <cstdint>

#include "backends/cpu/conv.h"

namespace layerwise::cpu {

/// c[b] = activation(a[b] x b[b]): batched products of two computed matrices. (A product with
/// constant weights is a 1x1 convolution, whose weights are packed at build.) Strides in elements;
/// a batch stride of 0 broadcasts.
struct MatMulPlan {
  int64_t batch = 1, m = 1, n = 1, k = 1;
  bool transposeA = false;               ///< a is stored (k, m)
  bool transposeB = false;               ///< b is stored (n, k)
  int64_t aRow = 1, bRow = 1, cRow = 1;  ///< between rows as stored; columns are contiguous
  int64_t aBatch = 0, bBatch = 0, cBatch = 0;
  Epilogue epilogue;  ///< without a residual

  // Chosen by bindMatMul.
  int64_t tiles = 0;
  int64_t scratchFloats = 0;  ///< per worker, 64-byte aligned
  int vectors = 2, pixels = 6;
  int64_t strip = 0, strips = 0, blocks = 0;
};

/// Completes a plan for `threads` workers of an instruction set. The bits of the result do not
/// depend on threads.
MatMulPlan bindMatMul(const MatMulPlan& plan, int width, int registers, int threads);

/// Runs one unit. Reads nothing beyond the matrices.
using MatMulKernel = void (*)(const MatMulPlan& plan, const float* a, const float* b, float* c,
                              int64_t tile, float* scratch);

}  // namespace layerwise::cpu
