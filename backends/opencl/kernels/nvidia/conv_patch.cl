// Convolution at stride 1 whose output is as large as its input, channels-last, on warpgroups (nvidia/wgmma.cl).
// Images lie in one long row of positions: a line of LINE positions, an image's pixels and then zeros, for each
// row of an image, and lines of zeros between images, so that a kernel's tap is a distance in this row, the same
// for all outputs. A group computes BM positions, of which those that are no pixels are lost, by BN channels. It
// brings the positions that its outputs reach ("the patch"; where the lines are long, only parts of them) to local memory once for BLOCK_BYTES of channels and
// multiplies them there by each tap in turn: a tap is another first row of the same matrix. That is why the patch
// is kept in planes of 16 bytes a position, without permutation. A step is a row of the kernel; its weights
// are packed such that they are one piece for the copy engine, which one thread asks STAGES rows ahead.
//
// Defines: TYPE (8: bytes; 16: half, sums in float; 19: float, products in TF32, 57: float as the sum of two TF32 numbers), BM (a multiple of 64), BN, STAGES,
// BLOCK_BYTES 32 or 64, KERNEL_WIDTH, COPIED_CHUNKS (chunks of 16 bytes of a position that are copied; of bytes the rest may hold
// anything, as its weights are 0), A_PASSES (those that a thread copies, at most),
// LOCAL_BYTES (stages, two patches or the only one, 16 bytes a stage), PICTURE (0, or nvidia/conv_picture.cl makes the patch), SPLIT and ACTIVATE(x, alpha, beta) as in nvidia/conv.cl,
// stepsPerSplit counting blocks of channels.
#include "nvidia/conv_common.cl"
#include "nvidia/conv_residual.cl"
#include "nvidia/wgmma.cl"
#include "nvidia/copy_engine.cl"
#include "nvidia/wgmma_emulated.cl"
#if PICTURE
#include "nvidia/conv_picture.cl"
#endif

#define WM 16
#define THREADS (BM * 2)
#define M_TILES 1
#define N_TILES (BN / 8)
#define ROWS_OF_THREAD 2
#define GROUPS_OF_THREAD (BN / 32)
#define STAGE_BYTES (BN * BLOCK_BYTES * KERNEL_WIDTH * PARTS_OF_WEIGHTS)
#define BLOCK_CHUNKS (BLOCK_BYTES / 16)

// The pixel at a position, if it is one: isPixel, and its image, y and x.
#define FIND_PIXEL_AT(at)                                                                      \
  const int position = at;                                                                     \
  const int line = quotient(position, g.linePositions, g.perLinePositions), x = position - line * g.linePositions; \
  const int image = quotient(line, g.imageLines, g.perImageLines), y = line - image * g.imageLines; \
  const bool isPixel = position >= 0 && x < g.inWidth && y < g.inHeight && image < g.images;
// The same for a row of the patch.
#define FIND_PIXEL(row)                                                                        \
  FIND_PIXEL_AT(firstPosition - g.padY * g.linePositions - g.padX + (row) +                    \
                quotient(row, g.patchLine, g.perPatchLine) * (g.linePositions - g.patchLine))

kernel __attribute__((reqd_work_group_size(THREADS, 1, 1))) void convolution(
#if PICTURE
    global const picture_t* in,
#else
    global const element* in,
#endif
    ulong inOffset, global const char* weights, global const float* restrict bias,
    global const residual_element* residual, ulong residualOffset,
#if SPLIT
    global float* partial, ulong partialOffset, global int* counters,
#endif
    global out_element* out, ulong outOffset, const ConvGeometry g) {
  local __attribute__((aligned(1024))) char stages[LOCAL_BYTES];
  const local_address stagesAt = localAddress(stages);
#if TYPE == 57
  // What is left of the present patch's numbers.
  const local_address leftAt = stagesAt + STAGES * STAGE_BYTES, patchesAt = leftAt + BLOCK_CHUNKS * g.planeBytes;
#else
  const local_address patchesAt = stagesAt + STAGES * STAGE_BYTES;
#endif
  const local_address fullAt = stagesAt + LOCAL_BYTES - 16 * STAGES, emptyAt = fullAt + 8 * STAGES;
  const int thread = get_local_id(0), lane = thread & 31, warp = sameInWarp(thread >> 5);
  const int firstChannel = get_group_id(0) * BN, firstPosition = get_group_id(1) * BM;
  const int warpRow = warp * WM;
  const int blocks = (g.inChannels * ELEMENT_BYTES + BLOCK_BYTES - 1) / BLOCK_BYTES;
#if SPLIT
  const int firstBlock = get_group_id(2) * g.stepsPerSplit, lastBlock = min(blocks, firstBlock + g.stepsPerSplit);
#else
  const int firstBlock = 0, lastBlock = blocks;
#endif
  const int steps = (lastBlock - firstBlock) * g.kernelHeight;
  const int channelBytes = BLOCK_BYTES * KERNEL_WIDTH * PARTS_OF_WEIGHTS, weightBytes = min(BN, g.weightRows - firstChannel) * channelBytes;
  const long weightStep = (long)g.weightRows * channelBytes;
  global const char* weightsFrom = weights + firstBlock * g.kernelHeight * weightStep + firstChannel * channelBytes;
  if (thread == 0) {
#pragma unroll
    for (int s = 0; s < STAGES; ++s) makeBarrier(fullAt + 8 * s, 1), makeBarrier(emptyAt + 8 * s, THREADS / 32);
  }
  SHOW_TO_PRODUCTS();
  barrier(CLK_LOCAL_MEM_FENCE);
  if (thread == 0) {
#pragma unroll
    for (int s = 0; s < STAGES; ++s) {
      if (s < steps) copyBytes(stagesAt + s * STAGE_BYTES, weightsFrom, weightBytes, fullAt + 8 * s);
      weightsFrom += weightStep;
    }
  }

  // What this thread copies of a patch: one chunk of some positions.
  const int chunk = thread % COPIED_CHUNKS, firstRow = thread / COPIED_CHUNKS;
#define PATCH_ROW(i) (firstRow + (i) * (THREADS / COPIED_CHUNKS))
#if PICTURE
#define COPY_PATCH(block)                                                                                  \
  {                                                                                                        \
    const int part = (block) * BLOCK_CHUNKS + chunk;                                                       \
    const local_address to = patchesAt + ((((block) - firstBlock) & 1) * BLOCK_CHUNKS + chunk) * g.planeBytes; \
    float cells[A_PASSES][CHUNK];                                                                          \
    _Pragma("unroll") for (int i = 0; i < A_PASSES; ++i) {                                                 \
      FIND_PIXEL(PATCH_ROW(i))                                                                             \
      const bool inside = isPixel && PATCH_ROW(i) < g.patchRows && part < PARTS;                           \
      loadCell(cells[i], in + inOffset + (inside ? image : 0) * g.inImage, inside ? y : g.inHeight,        \
               inside ? x : g.inWidth, part, g);                                                           \
    }                                                                                                      \
    _Pragma("unroll") for (int i = 0; i < A_PASSES; ++i)                                                   \
      if (PATCH_ROW(i) < g.patchRows) storeChunk(to + PATCH_ROW(i) * 16, packedCell(cells[i], g));            \
  }
#else
  // Where each begins, or -1 for zeros.
  const int chunks = g.inChannels * ELEMENT_BYTES / 16;
  int from[A_PASSES];
#pragma unroll
  for (int i = 0; i < A_PASSES; ++i) {
    FIND_PIXEL(PATCH_ROW(i))
    from[i] = isPixel ? (int)((image * g.inImage + (y * g.inRow + x * g.inPixel)) / CHUNK) : -1;
  }
  global const char* inAt = (global const char*)(in + inOffset);
#define COPY_PATCH(block)                                                                                  \
  {                                                                                                        \
    const int at = (block) * BLOCK_CHUNKS + chunk;                                                         \
    const local_address to = patchesAt + ((((block) - firstBlock) & 1) * BLOCK_CHUNKS + chunk) * g.planeBytes; \
    _Pragma("unroll") for (int i = 0; i < A_PASSES; ++i) {                                                 \
      const bool ok = from[i] >= 0 && at < chunks;                                                         \
      if (PATCH_ROW(i) < g.patchRows)                                                                      \
        copyInput(to + PATCH_ROW(i) * 16, inAt + (from[i] + (long)at) * 16, ok, inAt, g.outside);          \
    }                                                                                                      \
    commitCopies();                                                                                        \
  }
#endif
  int pixelOfRow[ROWS_OF_THREAD];
#define FIND_PIXELS                                                                            \
  _Pragma("unroll") for (int row = 0; row < ROWS_OF_THREAD; ++row) {                           \
    FIND_PIXEL_AT(firstPosition + warpRow + row * 8 + (lane >> 2))                             \
    pixelOfRow[row] = isPixel ? (image * g.inHeight + y) * g.inWidth + x : g.pixels;           \
  }
#if !SPLIT
  FIND_PIXELS
#endif
#define PIXEL_OF(row) pixelOfRow[row]
#define CHANNEL_OF(group) (firstChannel + (group) * 32 + FIRST_OF_EIGHT(lane & 3))
#include "nvidia/conv_start.cl"
  COPY_PATCH(firstBlock)

  const ulong planes = (ulong)(g.planeBytes >> 4) << 16 | (ulong)(128 >> 4) << 32;
  const ulong cores = (ulong)(128 >> 4) << 16 | (ulong)(KERNEL_WIDTH * BLOCK_CHUNKS * PARTS_OF_WEIGHTS * 128 >> 4) << 32;
  int step = 0, stage = 0, phase = 0;
  for (int block = firstBlock; block < lastBlock; ++block) {
    // The next patch takes the place of the one before this.
    WAIT_PRODUCTS(0);
    WAIT_COPIES(0);
#if TYPE == 57
    ADD_TO_TOTALS
    // Other warps may have multiplied what was left of the patch before this until now.
    barrier(CLK_LOCAL_MEM_FENCE);
    // Each thread what it has copied itself.
    const local_address copiedAt = patchesAt + (((block - firstBlock) & 1) * BLOCK_CHUNKS + chunk) * g.planeBytes;
#pragma unroll
    for (int i = 0; i < A_PASSES; ++i)
      if (PATCH_ROW(i) < g.patchRows) storeLeft(leftAt + chunk * g.planeBytes + PATCH_ROW(i) * 16, copiedAt + PATCH_ROW(i) * 16);
#endif
    SHOW_TO_PRODUCTS();
    barrier(CLK_LOCAL_MEM_FENCE);
#if !PICTURE || 16 * ELEMENT_BYTES > BLOCK_BYTES
    if (block + 1 < lastBlock) COPY_PATCH(block + 1)
#endif
    const local_address patchAt = patchesAt + ((block - firstBlock) & 1) * BLOCK_CHUNKS * g.planeBytes + (warp >> 2) * (64 * 16);
    ulong aMatrix = matrixAddress(stages, patchAt) | planes;
#if TYPE == 57
    ulong aLeft = matrixAddress(stages, leftAt + (warp >> 2) * (64 * 16)) | planes;
    const int bLeft = KERNEL_WIDTH * BLOCK_CHUNKS * 8;
#endif
    for (int ky = 0; ky < g.kernelHeight; ++ky, ++step) {
      waitForCopy(fullAt + 8 * stage, phase);
      meetInWarp();
      const ulong bMatrix = matrixAddress(stages, stagesAt + stage * STAGE_BYTES) | cores;
      BEGIN_PRODUCTS();
#pragma unroll
      for (int kx = 0; kx < KERNEL_WIDTH; ++kx)
#pragma unroll
        for (int kk = 0; kk < BLOCK_BYTES / 32; ++kk) {
          const ulong b = bMatrix + (kx * BLOCK_CHUNKS + kk * 2) * 8;
          const int inPatch = kx + kk * (g.planeBytes >> 3);
#if TYPE == 57
          MULTIPLY_MATRICES(aLeft + inPatch, b);
          MULTIPLY_MATRICES(aMatrix + inPatch, b + bLeft);
#endif
          MULTIPLY_MATRICES(aMatrix + inPatch, b);
        }
      COMMIT_PRODUCTS();
      aMatrix += g.patchLine;
#if TYPE == 57
      aLeft += g.patchLine;
#endif
      WAIT_PRODUCTS(1);
      // The products of the step before are done: its stage may be filled again.
      const int last = stage == 0 ? STAGES - 1 : stage - 1;
      if (step > 0) {
        if (lane == 0) arriveAt(emptyAt + 8 * last);
        if (thread == 0 && step - 1 + STAGES < steps) {
          waitAt(emptyAt + 8 * last, stage == 0 ? phase - 1 : phase);
          copyBytes(stagesAt + last * STAGE_BYTES, weightsFrom, weightBytes, fullAt + 8 * last);
          weightsFrom += weightStep;
        }
      }
      if (++stage == STAGES) stage = 0, ++phase;
    }
  }
  WAIT_PRODUCTS(0);
#if TYPE == 57
  TAKE_TOTALS
#endif
#if SPLIT
  FIND_PIXELS
#endif
#include "nvidia/conv_store.cl"
}
