// Depthwise convolution: a work item computes COLUMNS neighbouring pixels of WIDTH channels. What it reads of a few rows is asked
// for before the first is used, and the weights too where there is room.
//
// Defines beside those of vector.cl: KERNEL_X, KERNEL_Y, STRIDE_X (dilation is 1), COLUMNS,
// ACTIVATION.
#include "activation.cl"
#include "vector.cl"

float activated(float x, float alpha, float beta) { return ACTIVATION(x, alpha, beta); }

kernel void depthwise(global const element* in, ulong inAt, global const float* weights,
                      global const float* bias, global element* out, ulong outAt,
                      const VectorWindow w) {
  const int groups = (w.outWidth + COLUMNS - 1) / COLUMNS;
  const int item = get_global_id(0), group = item / w.vectors, vector = item - group * w.vectors;
  if (group >= groups) return;
  const int oy = get_global_id(1), first = group * COLUMNS, channels = w.vectors * WIDTH;
  const ulong from = inAt + get_global_id(2) * w.inImage + vector * WIDTH;
  V sum[COLUMNS];
  const V start = *(global const V*)(bias + vector * WIDTH);
#pragma unroll
  for (int i = 0; i < COLUMNS; ++i) sum[i] = start;
#define INPUTS ((COLUMNS - 1) * STRIDE_X + KERNEL_X)
#define LOAD_ROW(to, ky)                                                                                   \
  _Pragma("unroll") for (int i = 0; i < INPUTS; ++i) {                                                     \
    const int y = clamp(oy * w.strideY - w.padY + (ky), 0, w.inHeight - 1);                                \
    const int x = clamp(first * STRIDE_X - w.padX + i, 0, w.inWidth - 1);                                  \
    to[i] = loadRaw(in, from + (long)y * w.inRow + x * w.inPixel, w.inAligned);                            \
  }
#define LOAD_TAPS(to, ky)                                  \
  _Pragma("unroll") for (int kx = 0; kx < KERNEL_X; ++kx)  \
    to[kx] = *(global const V*)(weights + ((ky) * KERNEL_X + kx) * channels + vector * WIDTH);
#if KERNEL_Y <= 3
  Raw rows[KERNEL_Y][INPUTS];
#pragma unroll
  for (int ky = 0; ky < KERNEL_Y; ++ky) LOAD_ROW(rows[ky], ky)
#endif
#if KERNEL_Y <= 3 && COLUMNS == 1
  V allTaps[KERNEL_Y][KERNEL_X];
#pragma unroll
  for (int ky = 0; ky < KERNEL_Y; ++ky) LOAD_TAPS(allTaps[ky], ky)
#endif
#pragma unroll
  for (int ky = 0; ky < KERNEL_Y; ++ky) {
    const int y = oy * w.strideY - w.padY + ky;
    if (y < 0 || y >= w.inHeight) continue;
#if KERNEL_Y <= 3
    const Raw* row = rows[ky];
#else
    Raw row[INPUTS];
    LOAD_ROW(row, ky)
#endif
#if KERNEL_Y <= 3 && COLUMNS == 1
    const V* taps = allTaps[ky];
#else
    V taps[KERNEL_X];
    LOAD_TAPS(taps, ky)
#endif
#pragma unroll
    for (int i = 0; i < INPUTS; ++i) {
      const int x = first * STRIDE_X - w.padX + i;
      if (x < 0 || x >= w.inWidth) continue;
      const V value = toVector(row[i]);
#pragma unroll
      for (int c = 0; c < COLUMNS; ++c) {
        const int kx = i - c * STRIDE_X;
        if (kx >= 0 && kx < KERNEL_X) sum[c] = fma(value, taps[kx], sum[c]);
      }
    }
  }
  ulong to = outAt + get_global_id(2) * w.outImage + (long)oy * w.outRow + vector * WIDTH;
#pragma unroll
  for (int c = 0; c < COLUMNS; ++c) {
    if (first + c >= w.outWidth) break;
    float values[WIDTH];
    *(V*)values = sum[c];
#pragma unroll
    for (int e = 0; e < WIDTH; ++e) values[e] = activated(values[e], w.alpha, w.beta);
    storeVector(*(V*)values, out, to + (ulong)(first + c) * w.outPixel, w.outAligned);
  }
}
