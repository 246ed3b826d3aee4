#pragma once

#include "backends/cpu/kernels/finish.h"
#include "backends/cpu/kernels/micro.h"
#include "backends/cpu/matmul.h"

namespace layerwise::cpu {
namespace {

// Columns [first, first + columns) of b to rows of `lanes` floats. Results of lanes beyond the
// columns are never stored.
template <class V>
void packColumns(const MatMulPlan& p, const float* b, int64_t first, int64_t columns, int64_t lanes,
                 float* panel) {
  if (p.transposeB) {
    for (int64_t k = 0; k < p.k; k += V::kWidth) {
      for (int64_t i = 0; i < columns; i += V::kWidth) {
        transposeBlock<V>(b + (first + i) * p.bRow + k, p.bRow, columns - i, panel + k * lanes + i,
                          lanes, p.k - k);
      }
    }
    return;
  }
  for (int64_t k = 0; k < p.k; ++k) {
    const float* row = b + k * p.bRow + first;
    for (int64_t i = 0; i < columns; i += V::kWidth)
      V::store(panel + k * lanes + i, loadUpTo<V>(row + i, columns - i));
  }
}

template <class V>
void matMulTile(const MatMulPlan& p, const float* a, const float* b, float* c, int64_t tile,
                float* scratch) {
  alignas(64) static constexpr float kZeros[kMaxVectors * 16] = {};
  constexpr int64_t kBytes = sizeof(float);
  const int64_t strip = tile % p.strips, block = tile / p.strips % p.blocks;
  const int64_t batch = tile / (p.strips * p.blocks);
  const int64_t first = block * p.vectors * V::kWidth;
  const int64_t columns = smaller(p.n - first, p.vectors * V::kWidth);
  const int vectors = static_cast<int>(divideUp(columns, V::kWidth));
  packColumns<V>(p, b + batch * p.bBatch, first, columns, vectors * V::kWidth, scratch);

  const bool clip = isClip(p.epilogue);
  MicroArgs args{};
  // A transposed matrix has its pixels side by side and steps through k by rows.
  args.aPixel = (p.transposeA ? 1 : p.aRow) * kBytes;
  args.aKernelColumn = p.aRow * kBytes;
  args.kernelRows = 1;
  args.kernelColumns = p.transposeA ? p.k : 1;
  args.depth = p.transposeA ? 1 : p.k;
  args.bias = kZeros;
  args.b = scratch;
  args.cPixel = p.cRow;
  args.low = clip ? clipLow(p.epilogue) : -__builtin_inff();
  args.high = clip ? clipHigh(p.epilogue) : __builtin_inff();
  args.lastLanes = static_cast<int>(columns - (vectors - 1) * V::kWidth);
  a += batch * p.aBatch;
  c += batch * p.cBatch + first;
  const int64_t begin = strip * p.strip, rows = smaller(p.strip, p.m - begin);
  const int64_t pieces = divideUp(rows, p.pixels);
  for (int64_t piece = 0, y = 0; piece < pieces; ++piece) {
    const int64_t end = (piece + 1) * rows / pieces;
    args.a = a + (begin + y) * (p.transposeA ? 1 : p.aRow);
    args.c = c + (begin + y) * p.cRow;
    microKernel<V>(1, static_cast<int>(end - y), vectors)(args);
    if (!clip) finishPixels<V>(p.epilogue, args.c, p.cRow, nullptr, 0, end - y, columns);
    y = end;
  }
}

}  // namespace
}  // namespace layerwise::cpu
