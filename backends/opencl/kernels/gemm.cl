// Products of matrices given by strides: y = finish(a b + bias). A group of work items computes
// TILE_ROWS x TILE_COLUMNS of one product, each item ITEM_ROWS x ITEM_COLUMNS, from panels of
// TILE_DEPTH in local memory. The terms of an element are added in the order of the depth.
#include "nest.cl"
#include "epilogue.cl"

typedef struct {
  int rows, columns, depth;
  int rowStrideY, columnStrideY;
  int rowStrideA, depthStrideA;
  int depthStrideB, columnStrideB;
  int rowStrideR, columnStrideR;
} Gemm;

// Nest `batch`: operands y, a, b, residual.
#ifndef LANES
#define GROUP_ROWS (TILE_ROWS / ITEM_ROWS)
#define GROUP_COLUMNS (TILE_COLUMNS / ITEM_COLUMNS)
#define GROUP (GROUP_ROWS * GROUP_COLUMNS)
#define A_PIECES (TILE_ROWS * TILE_DEPTH / GROUP)
#define B_PIECES (TILE_COLUMNS * TILE_DEPTH / GROUP)
kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void gemm(
    global T0* y, ulong yAt, global const T1* a, ulong aAt, global const T2* b, ulong bAt
#ifdef HAS_BIAS
    , global const float* bias
#endif
#ifdef RESIDUAL
    , global const T3* residual, ulong residualAt
#endif
    , Nest batch, Gemm g, float alpha, float beta) {
  local float panelA[TILE_DEPTH][TILE_ROWS + 1], panelB[TILE_DEPTH][TILE_COLUMNS + 1];
  int item = get_local_id(0);
  int itemColumn = item % GROUP_COLUMNS, itemRow = item / GROUP_COLUMNS;
  int firstRow = get_group_id(0) * TILE_ROWS, firstColumn = get_group_id(1) * TILE_COLUMNS;
  int at[4];
  nestOffsets(&batch, 4, get_group_id(2), at);
  a += aAt + at[1];
  b += bAt + at[2];
  float sums[ITEM_ROWS][ITEM_COLUMNS];
  for (int i = 0; i < ITEM_ROWS; ++i)
    for (int j = 0; j < ITEM_COLUMNS; ++j) sums[i][j] = 0;
  for (int first = 0; first < g.depth; first += TILE_DEPTH) {
    for (int p = 0; p < A_PIECES; ++p) {
      int piece = item + p * GROUP;
#ifdef A_ROWS_FIRST
      int row = piece % TILE_ROWS, k = piece / TILE_ROWS;
#else
      int row = piece / TILE_DEPTH, k = piece % TILE_DEPTH;
#endif
      bool inside = firstRow + row < g.rows && first + k < g.depth;
      panelA[k][row] = inside ? LOAD1(a, (firstRow + row) * g.rowStrideA +
                                             (first + k) * g.depthStrideA)
                              : 0;
    }
    for (int p = 0; p < B_PIECES; ++p) {
      int piece = item + p * GROUP;
#ifdef B_COLUMNS_FIRST
      int column = piece % TILE_COLUMNS, k = piece / TILE_COLUMNS;
#else
      int column = piece / TILE_DEPTH, k = piece % TILE_DEPTH;
#endif
      bool inside = firstColumn + column < g.columns && first + k < g.depth;
      panelB[k][column] = inside ? LOAD2(b, (firstColumn + column) * g.columnStrideB +
                                                (first + k) * g.depthStrideB)
                                 : 0;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int k = 0; k < TILE_DEPTH; ++k) {
      float left[ITEM_ROWS], right[ITEM_COLUMNS];
      for (int i = 0; i < ITEM_ROWS; ++i) left[i] = panelA[k][itemRow + i * GROUP_ROWS];
      for (int j = 0; j < ITEM_COLUMNS; ++j) right[j] = panelB[k][itemColumn + j * GROUP_COLUMNS];
      for (int i = 0; i < ITEM_ROWS; ++i)
        for (int j = 0; j < ITEM_COLUMNS; ++j) sums[i][j] = fma(left[i], right[j], sums[i][j]);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  for (int i = 0; i < ITEM_ROWS; ++i)
    for (int j = 0; j < ITEM_COLUMNS; ++j) {
      int row = firstRow + itemRow + i * GROUP_ROWS;
      int column = firstColumn + itemColumn + j * GROUP_COLUMNS;
      if (row >= g.rows || column >= g.columns) continue;
      float value = sums[i][j], other = 0;
#ifdef HAS_BIAS
      value += bias[column];
#endif
#ifdef RESIDUAL
      other = LOAD3(residual + residualAt,
                    at[3] + row * g.rowStrideR + column * g.columnStrideR);
#endif
      STORE0(y + yAt, at[0] + row * g.rowStrideY + column * g.columnStrideY,
             finish(value, other, alpha, beta));
    }
}

#else
// The same for few rows: LANES work items share an element, which costs a pass over a column of b a
// row but keeps all of the device busy.
kernel __attribute__((reqd_work_group_size(LANES, 1, 1))) void gemv(
    global T0* y, ulong yAt, global const T1* a, ulong aAt, global const T2* b, ulong bAt
#ifdef HAS_BIAS
    , global const float* bias
#endif
#ifdef RESIDUAL
    , global const T3* residual, ulong residualAt
#endif
    , Nest batch, Gemm g, float alpha, float beta) {
  local float parts[LANES];
  int lane = get_local_id(0), column = get_group_id(0), row = get_group_id(1);
  int at[4];
  nestOffsets(&batch, 4, get_group_id(2), at);
  a += aAt + at[1] + row * g.rowStrideA;
  b += bAt + at[2] + column * g.columnStrideB;
  float sum = 0;
  for (int k = lane; k < g.depth; k += LANES)
    sum = fma(LOAD1(a, k * g.depthStrideA), LOAD2(b, k * g.depthStrideB), sum);
  parts[lane] = sum;
  barrier(CLK_LOCAL_MEM_FENCE);
  for (int width = LANES / 2; width > 0; width /= 2) {
    if (lane < width) parts[lane] += parts[lane + width];
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  if (lane != 0) return;
  float value = parts[0], other = 0;
#ifdef HAS_BIAS
  value += bias[column];
#endif
#ifdef RESIDUAL
  other = LOAD3(residual + residualAt, at[3] + row * g.rowStrideR + column * g.columnStrideR);
#endif
  STORE0(y + yAt, at[0] + row * g.rowStrideY + column * g.columnStrideY,
         finish(value, other, alpha, beta));
}
#endif
