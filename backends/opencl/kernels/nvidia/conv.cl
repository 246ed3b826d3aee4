// Convolution, channels-last, as a matrix product that is never written down (implicit GEMM) on NVIDIA
// devices from compute capability 8.0: rows are output pixels, columns output channels, depth runs over
// kernel taps and input channels. Rows and columns of a tile are BK_BYTES of depth each, brought to local memory by
// cp.async some stages ahead, 16 bytes ("a chunk") at a time, chunks permuted within a row so that reads
// are free of bank conflicts. A chunk lies within one tap, so the input's channels must fill whole chunks.
//
// Defines: TYPE (8: bytes, layers/quantized_convolution.h; 16: half in and out, sums in float; 19: float, products in TF32;
// 32: float, 57: float as the sum of two TF32 numbers), BM x BN the
// group's tile, WM x WN a warp's, BK_BYTES 64 or 128, STAGES, POINTWISE (one tap, no padding), SPLIT (depth
// is shared by groups of dimension 2, the last of which adds up), ACTIVATE(x, alpha, beta), WGMMA (products
// of warpgroups of 64 x BN, WM is 16 and WN is BN) and then FLIGHT (stages, 0 or 1, whose products may be under way while the
// next one is waited for), PRODUCTS (dimension 2 counts pointwise convolutions with weights of their own).
#include "nvidia/conv_common.cl"
#include "nvidia/conv_residual.cl"
#include "nvidia/wgmma.cl"

#define BK (BK_BYTES / ELEMENT_BYTES)
#define ROW_CHUNKS (BK_BYTES / 16)
#define WARPS_N (BN / WN)
#define THREADS (32 * (BM / WM) * WARPS_N)
#define PASS_ROWS (THREADS / ROW_CHUNKS)
#define A_PASSES (BM / PASS_ROWS)
#define B_PASSES ((BN + PASS_ROWS - 1) / PASS_ROWS)
#define STAGE_BYTES ((BM + PARTS_OF_WEIGHTS * BN) * BK_BYTES)
// What is left of the rows' numbers, for warpgroups: of this step and, which others may still multiply, the one before.
#define LEFT_BYTES (TYPE == 57 && WGMMA ? 2 * BM * BK_BYTES : 0)

// Stages that are asked for before they are needed, and copies under way when one is waited for.
#if WGMMA && FLIGHT
#define PREFETCHED (STAGES - 2)
#else
#define PREFETCHED (STAGES - 1)
#endif
#if PREFETCHED == 1
#define AHEAD 0
#elif PREFETCHED == 2
#define AHEAD 1
#elif PREFETCHED == 3
#define AHEAD 2
#elif PREFETCHED == 4
#define AHEAD 3
#elif PREFETCHED == 5
#define AHEAD 4
#endif

// Where a chunk of a row lies.
int place(int row, int chunk) {
#if BK_BYTES == 64
  return row * 64 + ((chunk ^ ((row >> 1) & 3)) << 4);
#else
  return row * 128 + ((chunk ^ (row & 7)) << 4);
#endif
}

#if WGMMA
// A tile of rows as the instruction's descriptor. 32 bytes further along the depth is 2 more.
ulong matrixAt(uint address) {
  return (ulong)((address & 0x3ffff) >> 4) | (ulong)1 << 16 | (ulong)(8 * BK_BYTES >> 4) << 32 |
         (ulong)(BK_BYTES == 128 ? 1 : 2) << 62;
}
#endif

#if TYPE != 32
#define M_TILES (WM / 16)
#define N_TILES (WN / 8)
#define ROWS_OF_THREAD (WM / 8)
#define GROUPS_OF_THREAD (WN / 32)

#if !EMULATED
void loadMatrices(uint* r, local_address from) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(from)
               : "memory");
}
void multiplyTiles(sum_t* c, const uint* a, const uint* b) {
#if TYPE == 8
#define SUM "+r"
  asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
#elif TYPE == 16
#define SUM "+f"
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
#else
#define SUM "+f"
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
#endif
               : SUM(c[0]), SUM(c[1]), SUM(c[2]), SUM(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
#endif
#else
// A thread computes THREAD_M x 8 of its warp's tile; its rows and columns are interleaved with those of
// its neighbours such that a half warp's reads of 16 bytes need one access.
#define THREAD_M (WM / 8)
#define ROWS_OF_THREAD (WM / 8)
#define GROUPS_OF_THREAD 1
#endif

kernel __attribute__((reqd_work_group_size(THREADS, 1, 1))) void convolution(
    global const element* in, ulong inOffset, global const element* weights, global const float* restrict bias,
    global const residual_element* residual, ulong residualOffset,
#if SPLIT
    global float* partial, ulong partialOffset, global int* counters,
#endif
    global out_element* out, ulong outOffset, const ConvGeometry g) {
  local __attribute__((aligned(1024))) char stages[STAGES * STAGE_BYTES + LEFT_BYTES];
  const local_address stagesAt = localAddress(stages);
  const int thread = get_local_id(0), lane = thread & 31, warp = thread >> 5;
  const int firstChannel = get_group_id(0) * BN, firstPixel = get_group_id(1) * BM;
  const int warpRow = (warp / WARPS_N) * WM, warpColumn = (warp % WARPS_N) * WN;

#if PRODUCTS
  in += (long)get_group_id(2) * g.productIn;
  weights += (long)get_group_id(2) * g.weightRows * g.weightRow * PARTS_OF_WEIGHTS;
  out += (long)get_group_id(2) * g.productOut;
#endif

  // What this thread copies: one chunk column of some rows of both operands.
  const int chunk = thread % ROW_CHUNKS, copyRow = thread / ROW_CHUNKS;
  const int steps = (g.depth + BK - 1) / BK;
#if SPLIT
  const int firstStep = get_group_id(2) * g.stepsPerSplit;
  const int lastStep = min(steps, firstStep + g.stepsPerSplit);
#else
  const int firstStep = 0, lastStep = steps;
#endif
  int k = firstStep * BK + chunk * CHUNK;
  global const char* aFrom[A_PASSES];
#if !POINTWISE
  int y[A_PASSES], x[A_PASSES];
  int tap = k / g.inChannels, c = k - tap * g.inChannels;
  int ky = tap / g.kernelWidth, kx = tap - ky * g.kernelWidth;
#else
  int aValid[A_PASSES];
#endif
#pragma unroll
  for (int i = 0; i < A_PASSES; ++i) {
    const int pixel = firstPixel + copyRow + i * PASS_ROWS;
#if POINTWISE
    aFrom[i] = (global const char*)(in + inOffset +
                                    PIXEL_AT(pixel, FLAT & 4, g.inImage, g.strideY * g.inRow, g.strideX * g.inPixel));
    aValid[i] = pixel < g.pixels;
#else
    const int image = quotient(pixel, g.imagePixels, g.perImagePixels), inImage = pixel - image * g.imagePixels;
    const int oy = quotient(inImage, g.width, g.perWidth), ox = inImage - oy * g.width;
    const int iy = oy * g.strideY - g.padY, ix = ox * g.strideX - g.padX;
    aFrom[i] = (global const char*)(in + inOffset + (image * g.inImage + (iy * g.inRow + ix * g.inPixel)));
    y[i] = pixel < g.pixels ? iy : -(1 << 28);
    x[i] = ix;
#endif
  }
  global const char* bFrom[B_PASSES];
  int bBytes[B_PASSES];
#pragma unroll
  for (int i = 0; i < B_PASSES; ++i) {
    const int row = firstChannel + copyRow + i * PASS_ROWS;
    bBytes[i] = row < g.weightRows ? 16 : 0;
    bFrom[i] = (global const char*)(weights + (row < g.weightRows ? row : 0) * (long)g.weightRow + k);
  }
  const long nextPart = (long)g.weightRows * g.weightRow * ELEMENT_BYTES;
  global const char* nothing = (global const char*)weights;

#define COPY_STAGE(stage)                                                                              \
  {                                                                                                    \
    const local_address aTo = stagesAt + (stage) * STAGE_BYTES, bTo = aTo + BM * BK_BYTES;             \
    const bool inside = k < g.depth;                                                                   \
    TAP_OFFSET                                                                                         \
    _Pragma("unroll") for (int i = 0; i < A_PASSES; ++i) {                                             \
      const bool ok = inside && A_VALID(i);                                                            \
      copyInput(aTo + place(copyRow + i * PASS_ROWS, chunk), aFrom[i] + tapOffset, ok, nothing, g.outside); \
    }                                                                                                  \
    _Pragma("unroll") for (int i = 0; i < B_PASSES; ++i) {                                             \
      if (BN % PASS_ROWS == 0 || copyRow + i * PASS_ROWS < BN)                                         \
        _Pragma("unroll") for (int part = 0; part < PARTS_OF_WEIGHTS; ++part)                          \
          copyChunk(bTo + part * BN * BK_BYTES + place(copyRow + i * PASS_ROWS, chunk),                \
                    bFrom[i] + part * nextPart, bBytes[i]);                                            \
      bFrom[i] += BK_BYTES;                                                                            \
    }                                                                                                  \
    k += BK;                                                                                           \
    NEXT_TAP                                                                                           \
  }
#if POINTWISE
#define TAP_OFFSET const long tapOffset = (long)k * ELEMENT_BYTES;
#define A_VALID(i) aValid[i]
#define NEXT_TAP
#else
#define TAP_OFFSET                                       \
  const int dy = ky * g.dilationY, dx = kx * g.dilationX; \
  const long tapOffset = (long)(dy * g.inRow + dx * g.inPixel + c) * ELEMENT_BYTES;
#define A_VALID(i) ((uint)(y[i] + dy) < (uint)g.inHeight && (uint)(x[i] + dx) < (uint)g.inWidth)
#define NEXT_TAP                                \
  c += BK;                                      \
  while (c >= g.inChannels) {                   \
    c -= g.inChannels;                          \
    if (++kx == g.kernelWidth) kx = 0, ++ky;    \
  }
#endif

#if TYPE == 32
  const int threadRow = ((lane >> 1) & 1) | ((lane >> 2) & 6), threadColumn = (lane & 1) | ((lane >> 1) & 2);
#endif
// A thread's rows of results, and the first of 8 channels.
#if TYPE != 32
#define PIXEL_OF(row) (firstPixel + warpRow + ((row) >> 1) * 16 + ((row) & 1) * 8 + (lane >> 2))
#define CHANNEL_OF(group) (firstChannel + warpColumn + (group) * 32 + FIRST_OF_EIGHT(lane & 3))
#else
#define PIXEL_OF(row) (firstPixel + warpRow + threadRow + (row) * 8)
#define CHANNEL_OF(group) (firstChannel + warpColumn + FIRST_OF_EIGHT(threadColumn))
#endif
#pragma unroll
  for (int s = 0; s < PREFETCHED; ++s) {
    if (firstStep + s < lastStep) COPY_STAGE(s)
    commitCopies();
  }
#include "nvidia/conv_start.cl"
  int reading = 0, writing = PREFETCHED;
  for (int step = firstStep; step < lastStep; ++step) {
    WAIT_COPIES(AHEAD);
#if WGMMA
    const uint a = stagesAt + reading * STAGE_BYTES, b = a + BM * BK_BYTES;
#if TYPE == 57
    // Each thread what it has copied itself.
    const uint left = stagesAt + STAGES * STAGE_BYTES + (step & 1) * BM * BK_BYTES;
#pragma unroll
    for (int i = 0; i < A_PASSES; ++i) {
      const int at = place(copyRow + i * PASS_ROWS, chunk);
      storeLeft(left + at, a + at);
    }
#endif
    SHOW_TO_PRODUCTS();
    barrier(CLK_LOCAL_MEM_FENCE);
    const ulong aMatrix = matrixAt(a + warp / 4 * 64 * BK_BYTES), bMatrix = matrixAt(b);
    BEGIN_PRODUCTS();
#if TYPE == 57
    const ulong aLeft = matrixAt(left + warp / 4 * 64 * BK_BYTES), bLeft = matrixAt(b + BN * BK_BYTES);
#pragma unroll
    for (int kk = 0; kk < BK_BYTES / 32; ++kk) {
      MULTIPLY_MATRICES(aLeft + kk * 2, bMatrix + kk * 2);
      MULTIPLY_MATRICES(aMatrix + kk * 2, bLeft + kk * 2);
    }
#endif
#pragma unroll
    for (int kk = 0; kk < BK_BYTES / 32; ++kk) MULTIPLY_MATRICES(aMatrix + kk * 2, bMatrix + kk * 2);
    COMMIT_PRODUCTS();
#else
    barrier(CLK_LOCAL_MEM_FENCE);
#endif
    if (step + PREFETCHED < lastStep) COPY_STAGE(writing)
    commitCopies();
    writing = writing + 1 == STAGES ? 0 : writing + 1;
#if WGMMA
    // What a stage holds may be written over after the next barrier.
    WAIT_PRODUCTS(FLIGHT);
#elif EMULATED && TYPE != 32
    const local_address a = stagesAt + reading * STAGE_BYTES, b = a + BM * BK_BYTES;
    for (int i = 0; i < M_TILES; ++i)
      for (int j = 0; j < N_TILES; ++j)
        for (int e = 0; e < 4; ++e) {
          const int row = warpRow + i * 16 + (e >> 1) * 8 + (lane >> 2);
          const int column = warpColumn + j * 8 + (lane & 3) * 2 + (e & 1);
          for (int part = 0; part < ROW_CHUNKS; ++part)
            sum[i][j][e] = multiplyChunks(a + place(row, part), b + place(column, part), sum[i][j][e]);
#if TYPE == 57
          for (int part = 0; part < ROW_CHUNKS; ++part)
            sum[i][j][e] = multiplyLeft(a + place(row, part), b + place(column, part), BN * BK_BYTES, sum[i][j][e]);
#endif
        }
#elif TYPE != 32
    // A warp's columns of a matrix of weights, and the products of its rows with them.
#define LOAD_COLUMNS(to, from)                                  \
  _Pragma("unroll") for (int j = 0; j < N_TILES / 2; ++j)        \
      loadMatrices(to[j], from + place(warpColumn + j * 16 + (lane & 7) + ((lane >> 4) << 3), kk * 2 + ((lane >> 3) & 1)));
#define MULTIPLY_ALL(rows, columns)                       \
  _Pragma("unroll") for (int i = 0; i < M_TILES; ++i)      \
      _Pragma("unroll") for (int j = 0; j < N_TILES; ++j) \
          multiplyTiles(sum[i][j], rows[i], columns[j / 2] + (j & 1) * 2);
    const uint a = stagesAt + reading * STAGE_BYTES, b = a + BM * BK_BYTES;
#pragma unroll
    for (int kk = 0; kk < BK_BYTES / 32; ++kk) {
      uint af[M_TILES][4], bf[N_TILES / 2][4];
#pragma unroll
      for (int i = 0; i < M_TILES; ++i)
        loadMatrices(af[i], a + place(warpRow + i * 16 + (lane & 15), kk * 2 + (lane >> 4)));
      LOAD_COLUMNS(bf, b)
#if TYPE == 57
      uint aLeft[M_TILES][4], bLeft[N_TILES / 2][4];
      LOAD_COLUMNS(bLeft, b + BN * BK_BYTES)
#pragma unroll
      for (int i = 0; i < M_TILES; ++i)
#pragma unroll
        for (int e = 0; e < 4; ++e) aLeft[i][e] = leftOf(af[i][e]);
      MULTIPLY_ALL(aLeft, bf)
      MULTIPLY_ALL(af, bLeft)
#endif
      MULTIPLY_ALL(af, bf)
    }
#else
    local const char* a = stages + reading * STAGE_BYTES;
    local const char* b = a + BM * BK_BYTES;
#pragma unroll
    for (int kk = 0; kk < ROW_CHUNKS; ++kk) {
      float4 bv[8];
#pragma unroll
      for (int j = 0; j < 8; ++j)
        bv[j] = *(local const float4*)(b + place(warpColumn + threadColumn + j * 4, kk));
#pragma unroll
      for (int i = 0; i < THREAD_M; ++i) {
        const float4 av = *(local const float4*)(a + place(warpRow + threadRow + i * 8, kk));
#pragma unroll
        for (int j = 0; j < 8; ++j)
          sum[i][j] = fma(av.w, bv[j].w, fma(av.z, bv[j].z, fma(av.y, bv[j].y, fma(av.x, bv[j].x, sum[i][j]))));
      }
    }
#endif
#if TYPE == 57
    if ((step - firstStep) % (256 / BK_BYTES) == 256 / BK_BYTES - 1) ADD_TO_TOTALS
#endif
    reading = reading + 1 == STAGES ? 0 : reading + 1;
  }

#if WGMMA && FLIGHT
  WAIT_PRODUCTS(0);
#endif
#if TYPE == 57
  TAKE_TOTALS
#endif
#include "nvidia/conv_store.cl"
}
