// A picture's first convolution and the maximum over windows behind it, in half or TF32 on warpgroups (nvidia/wgmma.cl): at most 4
// channels and stride 2, so that squares of 2 x 2 pixels ("cells") count as one position of 16 channels and the stride is 1.
//
// A warpgroup walks down a strip that is BN results of the convolution wide, row by row. It holds the weights of 64 output
// channels in registers, as the products' first matrix, and the cells of the rows that a result reaches in local memory, in planes
// of 16 bytes a position: there a tap is another first row of the second matrix. A cell is made once a strip. A thread has pairs
// of neighbouring results of two channels: windows take one result more from the thread beside it, and rows meet in registers,
// so that only the maxima leave the group. What windows of two strips share, both compute.
//
// Warpgroups that multiply at the same time share the tensor cores, end together and leave them idle together. So the two of a
// group, whose strips lie one above the other, take turns: one multiplies while the other makes cells and takes maxima. Where
// there is little to do, a group is one warpgroup.
//
// Defines: TYPE (16: half in and out; 19: float, products in TF32), BN, WARPGROUPS (1 or 2), KERNEL_Y and KERNEL_X (in cells), POOL_Y and POOL_X (2 or 3; windows lie 2 apart), PICTURE (its channels), those
// of nvidia/picture_pixels.cl, PAIRED (two neighbouring channels of the output may be stored at once), RELU or
// ACTIVATE(x, alpha, beta).
#include "nvidia/conv_common.cl"
#include "nvidia/picture_pixels.cl"
#include "nvidia/wgmma.cl"
#include "nvidia/copy_engine.cl"
#include "nvidia/wgmma_emulated.cl"

#define THREADS 128  // of a warpgroup
#define POSITIONS (BN + KERNEL_X - 1)  // of a row of cells
#define PARTS (ELEMENT_BYTES / 2)  // chunks of 16 bytes in a line of a cell; products of a tap
#define ROW_BYTES (2 * PARTS * POSITIONS * 16)
#define ROWS (KERNEL_Y + 1)  // of cells: one is made while the others are multiplied
#define TAPS (KERNEL_Y * KERNEL_X)
#define PASSES ((2 * POSITIONS + THREADS - 1) / THREADS)  // lines of a row of cells that a thread makes
#define PAIRS_OF_THREAD (BN / 8)

#if EMULATED || WARPGROUPS == 1
#define meetInWarpgroup(warpgroup) barrier(CLK_LOCAL_MEM_FENCE)
#define awaitTurn(warpgroup) (void)0
#define giveTurn(warpgroup) (void)0
#else
void meetInWarpgroup(int warpgroup) { asm volatile("bar.sync %0, 128;" ::"r"(1 + warpgroup) : "memory"); }
void awaitTurn(int warpgroup) { asm volatile("bar.sync %0, 256;" ::"r"(3 + warpgroup) : "memory"); }
void giveTurn(int warpgroup) { asm volatile("bar.arrive %0, 256;" ::"r"(3 + warpgroup) : "memory"); }
#endif

typedef struct {
  int height, width, channels;  // of the convolution's results
  int pooledHeight, pooledWidth, pooledRows;  // of the maxima, and those of a strip
  // The first result of a row that a group of strip 0 computes, how far it is to the next strip's, and which maximum belongs
  // to the first two.
  int firstColumn, columnStep, firstPooled;
  int padY, padX, poolPadY;  // in cells; in results
  int cellsWidth, pictureHeight, pictureWidth;
  int inRow, inPixel, inChannel;
  int outRow, outPixel;
  int blocks;  // of 64 output channels
  float alpha, beta;
  int unused;
  long inImage, outImage;
} StripGeometry;

// Results of two neighbouring channels.
#if TYPE == 16
typedef uint two_t;
#define LOWEST_TWO 0xfc00fc00u
#if RELU
#define RESULTS(a, b) toPositiveHalves(a, b)
#else
#define RESULTS(a, b) toHalves(ACTIVATE(a, g.alpha, g.beta), ACTIVATE(b, g.alpha, g.beta))
#endif
#define maxOfTwo(a, b) maxOfHalves(a, b)
#define TAKE_TWO(to, from, lane) TAKE_FROM_LANE(to, from, lane)
#define FIRST_OF_TWO(values) (ushort)(values)
#define SECOND_OF_TWO(values) (ushort)((values) >> 16)
#else
typedef float2 two_t;
#define LOWEST_TWO (float2)(-INFINITY)
#define RESULTS(a, b) (float2)(ACTIVATE(a, g.alpha, g.beta), ACTIVATE(b, g.alpha, g.beta))
#define maxOfTwo(a, b) (float2)(fmax((a).x, (b).x), fmax((a).y, (b).y))
#define TAKE_TWO(to, from, lane)                  \
  {                                               \
    uint bits;                                    \
    TAKE_FROM_LANE(bits, as_uint((from).x), lane) \
    to.x = as_float(bits);                        \
    TAKE_FROM_LANE(bits, as_uint((from).y), lane) \
    to.y = as_float(bits);                        \
  }
#define FIRST_OF_TWO(values) (values).x
#define SECOND_OF_TWO(values) (values).y
#endif

void storeTwo(global element* p, two_t values, bool both) {
#if PAIRED
  *(global two_t*)p = values;
#else
  p[0] = FIRST_OF_TWO(values);
  if (both) p[1] = SECOND_OF_TWO(values);
#endif
}

// Two pixels of a row of the picture, each filled up to 4 channels.
void loadPixels(float* v, global const picture_t* p, bool first, bool second, const StripGeometry g) {
#pragma unroll
  for (int e = 0; e < 8; ++e) v[e] = 0;
  if (first) {
#pragma unroll
    for (int c = 0; c < PICTURE; ++c) {
#if PAIRS
      const float2 both = PIXEL_PAIR(p + c * g.inChannel);
      v[c] = both.x, v[4 + c] = both.y;
#else
      v[c] = PIXEL_VALUE(p + c * g.inChannel);
      if (second) v[4 + c] = PIXEL_VALUE(p + c * g.inChannel + g.inPixel);
#endif
    }
  }
}

kernel __attribute__((reqd_work_group_size(WARPGROUPS * THREADS, 1, 1))) void convolution(
    global const picture_t* in, ulong inOffset, global const uint4* weights, global const float* restrict bias,
    global element* out, ulong outOffset, const StripGeometry g) {
  local __attribute__((aligned(128))) char cells[WARPGROUPS * ROWS * ROW_BYTES];
#if EMULATED
  local uint exchanged[WARPGROUPS * THREADS];
#endif
  const int warpgroup = WARPGROUPS == 1 ? 0 : sameInWarp(get_local_id(0) / THREADS);
  const int thread = get_local_id(0) - warpgroup * THREADS;
  const int lane = thread & 31, warp = sameInWarp(thread >> 5), inFour = lane & 3;
  const local_address cellsAt = localAddress(cells) + warpgroup * ROWS * ROW_BYTES;
  const int image = (int)get_group_id(2) / g.blocks, block = (int)get_group_id(2) - image * g.blocks;
  const int column = g.firstColumn + (int)get_group_id(0) * g.columnStep;
  // All strips of a group go over as many rows of results, of which those outside of the convolution are the lowest.
  const int firstPooledY = (int)get_group_id(1) * WARPGROUPS * g.pooledRows;
  const int rows = 2 * (min(g.pooledRows, g.pooledHeight - firstPooledY) - 1) + POOL_Y;
  int pooledY = firstPooledY + warpgroup * g.pooledRows;
  const int endPooled = min(pooledY + g.pooledRows, g.pooledHeight);
  int y = 2 * pooledY - g.poolPadY;

  uint4 taps[TAPS * PARTS];
#pragma unroll
  for (int t = 0; t < TAPS * PARTS; ++t) taps[t] = weights[(block * TAPS * PARTS + t) * THREADS + thread];
  const int channel = block * 64 + warp * 16 + (lane >> 2) * 2;
  const float low = bias[channel], high = bias[channel + 1];

  // Where the pixels of this thread's lines of the next row of cells begin, and up to which row of the picture they are asked
  // for. The upper lines of all cells come before the lower ones.
#define CELL(i) (thread + (i) * THREADS)
#define IS_LOWER(i) (CELL(i) >= POSITIONS)
#define IS_LINE(i) (CELL(i) < 2 * POSITIONS)
#define CELL_X(i) (column - g.padX + CELL(i) - (IS_LOWER(i) ? POSITIONS : 0))
  global const picture_t* from[PASSES];
  uint endOfRows[PASSES];
  int nextRow = 2 * (y - g.padY);
#pragma unroll
  for (int i = 0; i < PASSES; ++i) {
    const int x = CELL_X(i), lastRow = 2 * (2 * (endPooled - 1) - g.poolPadY + POOL_Y - 1 - g.padY + KERNEL_Y);
    from[i] = in + inOffset + image * g.inImage + (long)(nextRow + IS_LOWER(i)) * g.inRow + 2 * x * g.inPixel;
    endOfRows[i] = IS_LINE(i) && x >= 0 && x < g.cellsWidth ? max(0, min(g.pictureHeight, lastRow)) : 0;
  }
#define LOAD_CELLS(to)                                                                                              \
  _Pragma("unroll") for (int i = 0; i < PASSES; ++i) {                                                              \
    loadPixels(to[i], from[i], (uint)(nextRow + IS_LOWER(i)) < endOfRows[i], 2 * CELL_X(i) + 1 < g.pictureWidth, g); \
    from[i] += 2 * (long)g.inRow;                                                                                   \
  }                                                                                                                 \
  nextRow += 2;
#if TYPE == 16
#define STORE_LINE(at, v) \
  storeChunk(at, (uint4)(toHalves(v[0], v[1]), toHalves(v[2], v[3]), toHalves(v[4], v[5]), toHalves(v[6], v[7])));
#else
#define STORE_LINE(at, v)                                                                              \
  storeChunk(at, (uint4)(as_uint(v[0]), as_uint(v[1]), as_uint(v[2]), as_uint(v[3])));                 \
  storeChunk((at) + POSITIONS * 16, (uint4)(as_uint(v[4]), as_uint(v[5]), as_uint(v[6]), as_uint(v[7])));
#endif
#define STORE_CELLS(v, row)                                                                                       \
  _Pragma("unroll") for (int i = 0; i < PASSES; ++i) if (IS_LINE(i)) {                                            \
    const local_address to =                                                                                      \
        cellsAt + (row) * ROW_BYTES + (CELL(i) + (IS_LOWER(i) ? (PARTS - 1) * POSITIONS : 0)) * 16;               \
    STORE_LINE(to, v[i])                                                                                          \
  }

  float next[PASSES][8];
  {
    float first[KERNEL_Y][PASSES][8];
#pragma unroll
    for (int k = 0; k < KERNEL_Y; ++k) {
      LOAD_CELLS(first[k])
    }
    LOAD_CELLS(next)
#pragma unroll
    for (int k = 0; k < KERNEL_Y; ++k) STORE_CELLS(first[k], k)
  }
  SHOW_TO_PRODUCTS();
  meetInWarpgroup(warpgroup);

  // The maxima of this thread: every fourth of a row, those of its pairs from the first on that the group knows wholly.
  const int pooledX = g.firstPooled + (int)get_group_id(0) * (g.columnStep / 2) + inFour;
  const int firstStored = POOL_X == 3 && column != 0 && inFour == 0 ? 1 : 0;
  const int endStored = channel < g.channels ? (g.pooledWidth - pooledX + 3) / 4 : 0;
  // Of the results of its first pair, how far it is to the row's first and behind its last.
  const int first = -column - 2 * inFour, behind = g.width - column - 2 * inFour;
  const bool atBorder = column < 0 || column + BN > g.width;

  const ulong planes = (ulong)POSITIONS << 16 | (ulong)(128 >> 4) << 32;
  float sum[1][PAIRS_OF_THREAD][4];
  // Maxima of the windows that are not at their end yet, of two channels each.
  two_t most[PAIRS_OF_THREAD];
#pragma unroll
  for (int j = 0; j < PAIRS_OF_THREAD; ++j) most[j] = LOWEST_TWO;
  int row = 0;  // where the first cells of the results lie
  if (warpgroup == 1) giveTurn(0);
  for (int i = 0; i < rows; ++i, ++y) {
#pragma unroll
    for (int j = 0; j < PAIRS_OF_THREAD; ++j) sum[0][j][0] = sum[0][j][1] = low, sum[0][j][2] = sum[0][j][3] = high;
    awaitTurn(warpgroup);
    BEGIN_PRODUCTS();
#pragma unroll
    for (int ky = 0; ky < KERNEL_Y; ++ky) {
      const int at = row + ky < ROWS ? row + ky : row + ky - ROWS;
      const ulong matrix = matrixAddress(cells, cellsAt + at * ROW_BYTES) | planes;
#pragma unroll
      for (int kx = 0; kx < KERNEL_X; ++kx)
#pragma unroll
        for (int part = 0; part < PARTS; ++part) {
          const int t = (ky * KERNEL_X + kx) * PARTS + part;
          MULTIPLY_BY_REGISTERS(taps[t], t, matrix + kx + part * 2 * POSITIONS);
        }
    }
    COMMIT_PRODUCTS();
    if (warpgroup == 0 || i + 1 < rows) giveTurn(1 - warpgroup);  // nobody is left for the last
    STORE_CELLS(next, row == 0 ? ROWS - 1 : row - 1)
    SHOW_TO_PRODUCTS();
    WAIT_PRODUCTS(0);
    LOAD_CELLS(next)
    two_t even[PAIRS_OF_THREAD], odd[PAIRS_OF_THREAD];
#pragma unroll
    for (int j = 0; j < PAIRS_OF_THREAD; ++j) {
      even[j] = RESULTS(sum[0][j][0], sum[0][j][2]);
      odd[j] = RESULTS(sum[0][j][1], sum[0][j][3]);
    }
    const bool isRow = y >= 0 && y < g.height;
    if (atBorder || !isRow) {
#pragma unroll
      for (int j = 0; j < PAIRS_OF_THREAD; ++j) {
        if (8 * j < first || 8 * j >= behind || !isRow) even[j] = LOWEST_TWO;
        if (8 * j + 1 < first || 8 * j + 1 >= behind || !isRow) odd[j] = LOWEST_TWO;
      }
    }
#if POOL_X == 3
    two_t before = LOWEST_TWO;
#pragma unroll
    for (int j = 0; j < PAIRS_OF_THREAD; ++j) {
      two_t beside;
      TAKE_TWO(beside, odd[j], inFour ? lane - 1 : lane + 3)
      even[j] = maxOfTwo(even[j], inFour ? beside : before);
      before = beside;
    }
#endif
#pragma unroll
    for (int j = 0; j < PAIRS_OF_THREAD; ++j) {
      even[j] = maxOfTwo(even[j], odd[j]);
      most[j] = maxOfTwo(most[j], even[j]);
    }
    if (y == 2 * pooledY - g.poolPadY + POOL_Y - 1 && pooledY < endPooled) {
      global element* to = out + outOffset + image * g.outImage + (long)pooledY * g.outRow + (long)pooledX * g.outPixel + channel;
      // A NaN is never a maximum, not even of nothing else.
#pragma unroll
      for (int j = 0; j < PAIRS_OF_THREAD; ++j)
        if (j >= firstStored && j < endStored)
          storeTwo(to + j * 4 * g.outPixel, maxOfTwo(most[j], LOWEST_TWO), channel + 1 < g.channels);
#pragma unroll
      for (int j = 0; j < PAIRS_OF_THREAD; ++j) most[j] = POOL_Y == 3 ? even[j] : LOWEST_TWO;
      ++pooledY;
    }
    meetInWarpgroup(warpgroup);  // the cells are there, and nobody reads those of the first row any more
    row = row + 1 < ROWS ? row + 1 : 0;
  }
}
