// Convolution as a product of matrices that is never written down: rows are output pixels, columns
// output channels, and the depth runs over the kernel's taps and the input channels. A group of work
// items computes TILE_ROWS x TILE_COLUMNS of it, each item ITEM_ROWS x ITEM_COLUMNS, from panels of
// TILE_DEPTH in local memory.
//
// `taps` says for each step of the depth where its element lies relative to a pixel's first one, and
// by how much its position is shifted: (offset, z, y, x). The depth is padded to a multiple of
// TILE_DEPTH with steps that lie outside of every input, and zero weights.
// `weights` is [group][depth][columns padded to TILE_COLUMNS].
// VECTOR 4: four neighbouring steps are neighbouring elements of one position.
#include "window.cl"
#include "epilogue.cl"

#define GROUP_ROWS (TILE_ROWS / ITEM_ROWS)
#define GROUP_COLUMNS (TILE_COLUMNS / ITEM_COLUMNS)
#define GROUP (GROUP_ROWS * GROUP_COLUMNS)
// Rows of the panels lie a little apart, so that transposed writes meet different banks.
#define PITCH_ROWS (TILE_ROWS + 4)
// Pieces of VECTOR elements that an item loads of the input's panel, and of 4 of the weights'.
#define INPUT_PIECES (TILE_ROWS * TILE_DEPTH / VECTOR / GROUP)
#define WEIGHT_PIECES (TILE_DEPTH * TILE_COLUMNS / 4 / GROUP)
#define DEPTH_PIECES (TILE_DEPTH / VECTOR)

typedef struct {
  Window window;
  Strides from, to, residual;
  int pixels, depth, columns, groupInputs, groupOutputs;
} Conv;

// Item `item` computes rows item * 4 + 0...3 of every fourth-part of the tile.
#define ROW_OF(i) (((i) / 4) * (GROUP_ROWS * 4) + itemRow * 4 + (i) % 4)
#define COLUMN_OF(j) (((j) / 4) * (GROUP_COLUMNS * 4) + itemColumn * 4 + (j) % 4)

kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void conv_gemm(
    global T0* y, ulong yAt, global const T1* x, ulong xAt, global const float* weights,
#ifdef HAS_BIAS
    global const float* bias,
#endif
    global const int4* taps
#ifdef RESIDUAL
    , global const T2* residual, ulong residualAt
#endif
    , Conv conv, float alpha, float beta) {
  local float inputs[TILE_DEPTH * PITCH_ROWS];
  local float panel[TILE_DEPTH * TILE_COLUMNS];
  int item = get_local_id(0);
  int itemColumn = item % GROUP_COLUMNS, itemRow = item / GROUP_COLUMNS;
  int firstRow = get_group_id(0) * TILE_ROWS, firstColumn = get_group_id(1) * TILE_COLUMNS;
  int group = get_group_id(2);
  const Window* w = &conv.window;
  x += xAt + group * conv.groupInputs * conv.from.c;
  weights += group * conv.depth * conv.columns + firstColumn;

  // The rows whose elements this item loads: where their windows begin.
  int base[INPUT_PIECES], baseZ[INPUT_PIECES], baseY[INPUT_PIECES], baseX[INPUT_PIECES];
#ifdef ROWS_FIRST
#define PIECE_ROW(p) ((item + (p) * GROUP) % TILE_ROWS)
#define PIECE_STEP(p) ((item + (p) * GROUP) / TILE_ROWS * VECTOR)
#else
#define PIECE_ROW(p) ((item + (p) * GROUP) / DEPTH_PIECES)
#define PIECE_STEP(p) ((item + (p) * GROUP) % DEPTH_PIECES * VECTOR)
#endif
  for (int p = 0; p < INPUT_PIECES; ++p) {
    int row = firstRow + PIECE_ROW(p);
    Place at = placeOf(min(row, conv.pixels - 1), 1, w->out[0], w->out[1], w->out[2], 0);
    baseZ[p] = at.z * w->stride[0] - w->pad[0];
    baseY[p] = at.y * w->stride[1] - w->pad[1];
    baseX[p] = at.x * w->stride[2] - w->pad[2];
    // The channel's place in placeOf's order is taken by the image, as there is one channel.
    base[p] = offsetOf(&conv.from, at.n, 0, baseZ[p], baseY[p], baseX[p]);
    if (row >= conv.pixels) baseZ[p] = -(1 << 28);
  }

  float sums[ITEM_ROWS][ITEM_COLUMNS];
  for (int i = 0; i < ITEM_ROWS; ++i)
    for (int j = 0; j < ITEM_COLUMNS; ++j) sums[i][j] = 0;

#if VECTOR == 4
  float4 input[INPUT_PIECES];
#else
  float input[INPUT_PIECES];
#endif
  float4 weight[WEIGHT_PIECES];
#define LOAD_PIECES(step)                                                                     \
  for (int p = 0; p < INPUT_PIECES; ++p) {                                                    \
    int4 tap = taps[(step) + PIECE_STEP(p)];                                                  \
    bool inside = (uint)(baseZ[p] + tap.y) < (uint)w->in[0] &&                                \
                  (uint)(baseY[p] + tap.z) < (uint)w->in[1] &&                                \
                  (uint)(baseX[p] + tap.w) < (uint)w->in[2];                                  \
    if (inside)                                                                               \
      input[p] = LOAD_INPUT(x + base[p] + tap.x);                                             \
    else                                                                                      \
      input[p] = 0;                                                                           \
  }                                                                                           \
  for (int p = 0; p < WEIGHT_PIECES; ++p) {                                                   \
    int piece = item + p * GROUP, column = piece % (TILE_COLUMNS / 4) * 4;                    \
    weight[p] =                                                                               \
        vload4(0, weights + ((step) + piece / (TILE_COLUMNS / 4)) * conv.columns + column);   \
  }

  LOAD_PIECES(0)
  for (int step = 0; step < conv.depth; step += TILE_DEPTH) {
    for (int p = 0; p < INPUT_PIECES; ++p) {
      local float* to = inputs + PIECE_STEP(p) * PITCH_ROWS + PIECE_ROW(p);
#if VECTOR == 4
      to[0] = input[p].x;
      to[PITCH_ROWS] = input[p].y;
      to[2 * PITCH_ROWS] = input[p].z;
      to[3 * PITCH_ROWS] = input[p].w;
#else
      to[0] = input[p];
#endif
    }
    for (int p = 0; p < WEIGHT_PIECES; ++p) vstore4(weight[p], item + p * GROUP, panel);
    barrier(CLK_LOCAL_MEM_FENCE);
    if (step + TILE_DEPTH < conv.depth) {
      LOAD_PIECES(step + TILE_DEPTH)
    }
    for (int k = 0; k < TILE_DEPTH; ++k) {
      float a[ITEM_ROWS], b[ITEM_COLUMNS];
      for (int i = 0; i < ITEM_ROWS; i += 4)
        vstore4(vload4(0, inputs + k * PITCH_ROWS + ROW_OF(i)), 0, a + i);
      for (int j = 0; j < ITEM_COLUMNS; j += 4)
        vstore4(vload4(0, panel + k * TILE_COLUMNS + COLUMN_OF(j)), 0, b + j);
      for (int i = 0; i < ITEM_ROWS; ++i)
        for (int j = 0; j < ITEM_COLUMNS; ++j) sums[i][j] = fma(a[i], b[j], sums[i][j]);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }

  for (int i = 0; i < ITEM_ROWS; ++i) {
    int row = firstRow + ROW_OF(i);
    if (row >= conv.pixels) continue;
    Place at = placeOf(row, 1, w->out[0], w->out[1], w->out[2], 0);
    int target = offsetOf(&conv.to, at.n, group * conv.groupOutputs, at.z, at.y, at.x);
#ifdef RESIDUAL
    int other = offsetOf(&conv.residual, at.n, group * conv.groupOutputs, at.z, at.y, at.x);
#endif
    for (int j = 0; j < ITEM_COLUMNS; ++j) {
      int column = firstColumn + COLUMN_OF(j);
      if (column >= conv.groupOutputs) continue;
      float value = sums[i][j];
#ifdef HAS_BIAS
      value += bias[group * conv.groupOutputs + column];
#endif
#ifdef RESIDUAL
      value = finish(value, LOAD2(residual + residualAt, other + column * conv.residual.c), alpha,
                     beta);
#else
      value = finish(value, 0, alpha, beta);
#endif
      STORE0(y + yAt, target + column * conv.to.c, value);
    }
  }
}
