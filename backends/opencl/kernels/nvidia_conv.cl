// Convolution, channels-last, as a matrix product that is never written down (implicit GEMM) on NVIDIA
// devices from compute capability 8.0: rows are output pixels, columns output channels, depth runs over
// kernel taps and input channels. Rows and columns of a tile are BK_BYTES of depth each, brought to local memory by
// cp.async some stages ahead, 16 bytes ("a chunk") at a time, chunks permuted within a row so that reads
// are free of bank conflicts. A chunk lies within one tap, so the input's channels must fill whole chunks.
//
// Defines: TYPE (16: half in and out, sums in float; 19: float, products in TF32; 32: float), BM x BN the
// group's tile, WM x WN a warp's, BK_BYTES 64 or 128, STAGES, POINTWISE (one tap, no padding), SPLIT (depth
// is shared by groups of dimension 2, the last of which adds up), ACTIVATE(x, alpha, beta).
#include "activation.cl"

// For results that are rounded to half.
float quickSilu(float x) { return x * native_recip(1 + native_exp(-x)); }

#if TYPE == 16
#define ELEMENT_BYTES 2
typedef ushort element;
#else
#define ELEMENT_BYTES 4
typedef float element;
#endif
#define CHUNK (16 / ELEMENT_BYTES)
#define BK (BK_BYTES / ELEMENT_BYTES)
#define ROW_CHUNKS (BK_BYTES / 16)
#define WARPS_N (BN / WN)
#define THREADS (32 * (BM / WM) * WARPS_N)
#define PASS_ROWS (THREADS / ROW_CHUNKS)
#define A_PASSES (BM / PASS_ROWS)
#define B_PASSES ((BN + PASS_ROWS - 1) / PASS_ROWS)
#define STAGE_BYTES ((BM + BN) * BK_BYTES)

typedef struct {
  int pixels;    // output pixels of all images
  int channels;  // output channels
  int depth;     // taps x input channels
  int imagePixels, width;  // output pixels of an image and of a row
  int inHeight, inWidth, inChannels;
  int kernelWidth;
  int strideY, strideX, dilationY, dilationX, padY, padX;
  int inRow, inPixel;
  int outRow, outPixel;
  int residualRow, residualPixel;
  int weightRow;    // elements between output channels of the packed weights
  int weightRows;   // output channels there, rounded up
  int stepsPerSplit;
  int vectors;      // 1: output, 2: residual may be accessed 16 bytes at a time
  int residualPlace;  // 0: none, 1: before the activation, 2: after it
  float alpha, beta;
  long inImage, outImage, residualImage;
} ConvGeometry;

uint localAddress(local char* p) { return (uint)(ulong)p; }

void copyChunk(uint to, global const char* from, int bytes) {
  asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(bytes) : "memory");
}
void commitCopies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
#define WAIT_COPIES_TEXT(n) asm volatile("cp.async.wait_group " #n ";" ::: "memory")
#define WAIT_COPIES(n) WAIT_COPIES_TEXT(n)
#if STAGES == 2
#define AHEAD 0
#elif STAGES == 3
#define AHEAD 1
#elif STAGES == 4
#define AHEAD 2
#elif STAGES == 5
#define AHEAD 3
#elif STAGES == 6
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

float fromHalf(ushort bits) {
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
  return value;
}
// 8 neighbouring channels of a residual as they lie in memory.
#if TYPE == 16
typedef uint4 residual8;
#else
typedef float8 residual8;
#endif

residual8 loadResidual(global const element* p, bool vectors, int channels) {
#if TYPE == 16
  if (vectors) return *(global const uint4*)p;
  uint parts[8];
#pragma unroll
  for (int e = 0; e < 8; ++e) parts[e] = e < channels ? p[e] : 0;
  return (uint4)(parts[0] | parts[1] << 16, parts[2] | parts[3] << 16, parts[4] | parts[5] << 16,
                 parts[6] | parts[7] << 16);
#else
  if (vectors) return (float8)(*(global const float4*)p, *(global const float4*)(p + 4));
  float parts[8];
#pragma unroll
  for (int e = 0; e < 8; ++e) parts[e] = e < channels ? p[e] : 0;
  return (float8)(parts[0], parts[1], parts[2], parts[3], parts[4], parts[5], parts[6], parts[7]);
#endif
}

void unpackResidual(float* r, residual8 kept) {
#if TYPE == 16
  r[0] = fromHalf((ushort)kept.x), r[1] = fromHalf((ushort)(kept.x >> 16));
  r[2] = fromHalf((ushort)kept.y), r[3] = fromHalf((ushort)(kept.y >> 16));
  r[4] = fromHalf((ushort)kept.z), r[5] = fromHalf((ushort)(kept.z >> 16));
  r[6] = fromHalf((ushort)kept.w), r[7] = fromHalf((ushort)(kept.w >> 16));
#else
  r[0] = kept.s0, r[1] = kept.s1, r[2] = kept.s2, r[3] = kept.s3;
  r[4] = kept.s4, r[5] = kept.s5, r[6] = kept.s6, r[7] = kept.s7;
#endif
}

uint toHalves(float low, float high) {
  uint bits;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
  return bits;
}

#if TYPE != 32
#define M_TILES (WM / 16)
#define N_TILES (WN / 8)
#define ROWS_OF_THREAD (WM / 8)
#define GROUPS_OF_THREAD (WN / 32)

void loadMatrices(uint* r, uint from) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(from)
               : "memory");
}
void multiplyTiles(float* c, const uint* a, const uint* b) {
#if TYPE == 16
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
#else
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
#endif
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
uint roundToTf32(uint bits) {
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(as_float(bits)));
  return bits;
}
#else
// A thread computes THREAD_M x 8 of its warp's tile; its rows and columns are interleaved with those of
// its neighbours such that a half warp's reads of 16 bytes need one access.
#define THREAD_M (WM / 8)
#define ROWS_OF_THREAD (WM / 8)
#define GROUPS_OF_THREAD 1
#endif

kernel __attribute__((reqd_work_group_size(THREADS, 1, 1))) void convolution(
    global const element* in, ulong inOffset, global const element* weights, global const float* bias,
    global const element* residual, ulong residualOffset,
#if SPLIT
    global float* partial, ulong partialOffset, global int* counters,
#endif
    global element* out, ulong outOffset, const ConvGeometry g) {
  local __attribute__((aligned(1024))) char stages[STAGES * STAGE_BYTES];
  const uint stagesAt = localAddress(stages);
  const int thread = get_local_id(0), lane = thread & 31, warp = thread >> 5;
  const int firstChannel = get_group_id(0) * BN, firstPixel = get_group_id(1) * BM;
  const int warpRow = (warp / WARPS_N) * WM, warpColumn = (warp % WARPS_N) * WN;

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
    const int image = pixel / g.imagePixels, inImage = pixel - image * g.imagePixels;
    const int oy = inImage / g.width, ox = inImage - oy * g.width;
    const int iy = oy * g.strideY - g.padY, ix = ox * g.strideX - g.padX;
    aFrom[i] = (global const char*)(in + inOffset + (image * g.inImage + (iy * g.inRow + ix * g.inPixel)));
#if POINTWISE
    aValid[i] = pixel < g.pixels;
#else
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
  global const char* nothing = (global const char*)weights;

#define COPY_STAGE(stage)                                                                              \
  {                                                                                                    \
    const uint aTo = stagesAt + (stage) * STAGE_BYTES, bTo = aTo + BM * BK_BYTES;                      \
    const bool inside = k < g.depth;                                                                   \
    TAP_OFFSET                                                                                         \
    _Pragma("unroll") for (int i = 0; i < A_PASSES; ++i) {                                             \
      const bool ok = inside && A_VALID(i);                                                            \
      copyChunk(aTo + place(copyRow + i * PASS_ROWS, chunk), ok ? aFrom[i] + tapOffset : nothing, ok ? 16 : 0); \
    }                                                                                                  \
    _Pragma("unroll") for (int i = 0; i < B_PASSES; ++i) {                                             \
      if (BN % PASS_ROWS == 0 || copyRow + i * PASS_ROWS < BN)                                         \
        copyChunk(bTo + place(copyRow + i * PASS_ROWS, chunk), bFrom[i], bBytes[i]);                   \
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

#if TYPE != 32
  float sum[M_TILES][N_TILES][4];
#pragma unroll
  for (int i = 0; i < M_TILES; ++i)
#pragma unroll
    for (int j = 0; j < N_TILES; ++j)
#pragma unroll
      for (int e = 0; e < 4; ++e) sum[i][j][e] = 0;
#else
  float sum[THREAD_M][8];
#pragma unroll
  for (int i = 0; i < THREAD_M; ++i)
#pragma unroll
    for (int j = 0; j < 8; ++j) sum[i][j] = 0;
  const int threadRow = ((lane >> 1) & 1) | ((lane >> 2) & 6), threadColumn = (lane & 1) | ((lane >> 1) & 2);
#endif

#pragma unroll
  for (int s = 0; s < STAGES - 1; ++s) {
    if (firstStep + s < lastStep) COPY_STAGE(s)
    commitCopies();
  }
  int reading = 0, writing = STAGES - 1;
  for (int step = firstStep; step < lastStep; ++step) {
    WAIT_COPIES(AHEAD);
    barrier(CLK_LOCAL_MEM_FENCE);
    if (step + STAGES - 1 < lastStep) COPY_STAGE(writing)
    commitCopies();
    writing = writing + 1 == STAGES ? 0 : writing + 1;
#if TYPE != 32
    const uint a = stagesAt + reading * STAGE_BYTES, b = a + BM * BK_BYTES;
#pragma unroll
    for (int kk = 0; kk < BK_BYTES / 32; ++kk) {
      uint af[M_TILES][4], bf[N_TILES / 2][4];
#pragma unroll
      for (int i = 0; i < M_TILES; ++i)
        loadMatrices(af[i], a + place(warpRow + i * 16 + (lane & 15), kk * 2 + (lane >> 4)));
#pragma unroll
      for (int j = 0; j < N_TILES / 2; ++j)
        loadMatrices(bf[j], b + place(warpColumn + j * 16 + (lane & 7) + ((lane >> 4) << 3), kk * 2 + ((lane >> 3) & 1)));
#if TYPE == 19
#pragma unroll
      for (int i = 0; i < M_TILES; ++i)
#pragma unroll
        for (int e = 0; e < 4; ++e) af[i][e] = roundToTf32(af[i][e]);
#endif
#pragma unroll
      for (int i = 0; i < M_TILES; ++i)
#pragma unroll
        for (int j = 0; j < N_TILES; ++j) multiplyTiles(sum[i][j], af[i], bf[j / 2] + (j & 1) * 2);
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
    reading = reading + 1 == STAGES ? 0 : reading + 1;
  }

#if SPLIT
  // Every group leaves its sums; the one that comes last adds them up, always in the same order.
  const int tile = get_group_id(1) * get_num_groups(0) + get_group_id(0), splits = get_num_groups(2);
  const int sums = ROWS_OF_THREAD * GROUPS_OF_THREAD * 8;
  global float4* tilePartial = (global float4*)(partial + partialOffset) + (long)tile * splits * (sums / 4 * THREADS) + thread;
  {
    global float4* mine = tilePartial + (long)get_group_id(2) * (sums / 4 * THREADS);
    int at = 0;
#if TYPE != 32
#pragma unroll
    for (int i = 0; i < M_TILES; ++i)
#pragma unroll
      for (int j = 0; j < N_TILES; ++j, ++at)
        mine[at * THREADS] = (float4)(sum[i][j][0], sum[i][j][1], sum[i][j][2], sum[i][j][3]);
#else
#pragma unroll
    for (int i = 0; i < THREAD_M; ++i)
#pragma unroll
      for (int j = 0; j < 8; j += 4, ++at)
        mine[at * THREADS] = (float4)(sum[i][j], sum[i][j + 1], sum[i][j + 2], sum[i][j + 3]);
#endif
  }
  asm volatile("membar.gl;" ::: "memory");
  local int* arrived = (local int*)stages;
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (thread == 0) {
    *arrived = atomic_inc(counters + tile);
    if (*arrived == splits - 1) counters[tile] = 0;
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  if (*arrived != splits - 1) return;
  asm volatile("membar.gl;" ::: "memory");
#if TYPE != 32
#define SUM_AT(at, e) sum[(at) / N_TILES][(at) % N_TILES][e]
#else
#define SUM_AT(at, e) sum[(at) / 2][((at) & 1) * 4 + e]
#endif
#pragma unroll
  for (int at = 0; at < ROWS_OF_THREAD * GROUPS_OF_THREAD * 2; ++at)
#pragma unroll
    for (int e = 0; e < 4; ++e) SUM_AT(at, e) = 0;
  for (int s = 0; s < splits; ++s) {
#pragma unroll
    for (int at = 0; at < ROWS_OF_THREAD * GROUPS_OF_THREAD * 2; ++at) {
      float4 v;
      asm volatile("ld.global.cg.v4.f32 {%0, %1, %2, %3}, [%4];"
                   : "=f"(v.x), "=f"(v.y), "=f"(v.z), "=f"(v.w)
                   : "l"(tilePartial + at * THREADS)
                   : "memory");
      SUM_AT(at, 0) += v.x, SUM_AT(at, 1) += v.y, SUM_AT(at, 2) += v.z, SUM_AT(at, 3) += v.w;
    }
    tilePartial += sums / 4 * THREADS;
  }
#endif

#if TYPE != 32
#define PIXEL_OF(row) (firstPixel + warpRow + ((row) >> 1) * 16 + ((row) & 1) * 8 + (lane >> 2))
#else
#define PIXEL_OF(row) (firstPixel + warpRow + threadRow + (row) * 8)
#endif
  // Packing has ordered the weights such that a thread holds 8 neighbouring channels.
#pragma unroll
  for (int group = 0; group < GROUPS_OF_THREAD; ++group) {
#if TYPE != 32
    const int channel = firstChannel + warpColumn + group * 32 + (lane & 3) * 8;
#else
    const int channel = firstChannel + warpColumn + threadColumn * 8;
#endif
    if (channel >= g.channels) continue;
    const float4 biasLow = *(global const float4*)(bias + channel), biasHigh = *(global const float4*)(bias + channel + 4);
    const bool whole = channel + 8 <= g.channels;
    // All of a thread's residuals are asked for before the first is used.
    residual8 kept[ROWS_OF_THREAD];
    if (g.residualPlace) {
#pragma unroll
      for (int row = 0; row < ROWS_OF_THREAD; ++row) {
        const int pixel = min(PIXEL_OF(row), g.pixels - 1);
        const int image = pixel / g.imagePixels, inImage = pixel - image * g.imagePixels;
        const int oy = inImage / g.width, ox = inImage - oy * g.width;
        kept[row] = loadResidual(
            residual + residualOffset +
                (image * g.residualImage + (oy * g.residualRow + ox * g.residualPixel + channel)),
            whole && (g.vectors & 2), g.channels - channel);
      }
    }
#pragma unroll
    for (int row = 0; row < ROWS_OF_THREAD; ++row) {
      float v[8];
      const int pixel = PIXEL_OF(row);
#if TYPE != 32
#pragma unroll
      for (int e = 0; e < 8; ++e) v[e] = sum[row >> 1][group * 4 + (e >> 1)][(row & 1) * 2 + (e & 1)];
#else
#pragma unroll
      for (int e = 0; e < 8; ++e) v[e] = sum[row][e];
#endif
      if (pixel >= g.pixels) continue;
      const int image = pixel / g.imagePixels, inImage = pixel - image * g.imagePixels;
      const int oy = inImage / g.width, ox = inImage - oy * g.width;
      v[0] += biasLow.x, v[1] += biasLow.y, v[2] += biasLow.z, v[3] += biasLow.w;
      v[4] += biasHigh.x, v[5] += biasHigh.y, v[6] += biasHigh.z, v[7] += biasHigh.w;
      float r[8];
      if (g.residualPlace) unpackResidual(r, kept[row]);
#pragma unroll
      for (int e = 0; e < 8; ++e) {
        if (g.residualPlace == 1) v[e] += r[e];
        v[e] = ACTIVATE(v[e], g.alpha, g.beta);
        if (g.residualPlace == 2) v[e] += r[e];
      }
      global element* op = out + outOffset + (image * g.outImage + (oy * g.outRow + ox * g.outPixel + channel));
      if (whole && (g.vectors & 1)) {
#if TYPE == 16
        *(global uint4*)op = (uint4)(toHalves(v[0], v[1]), toHalves(v[2], v[3]), toHalves(v[4], v[5]), toHalves(v[6], v[7]));
#else
        *(global float4*)op = (float4)(v[0], v[1], v[2], v[3]);
        *(global float4*)(op + 4) = (float4)(v[4], v[5], v[6], v[7]);
#endif
      } else {
#pragma unroll
        for (int e = 0; e < 8; ++e)
          if (channel + e < g.channels) {
#if TYPE == 16
            op[e] = (ushort)toHalves(v[e], 0);
#else
            op[e] = v[e];
#endif
          }
      }
    }
  }
}
