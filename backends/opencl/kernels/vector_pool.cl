// Pooling: a work item computes WIDTH channels of one pixel.
//
// Defines beside those of vector.cl: AVERAGE, 1 or 0; COUNT_PADDING, 1 or 0; BATCH, so many values side by side are asked
// for before the first is used; SLICES and VECTORS of a group where a whole image is averaged, and FLOAT_OUTPUT, 1 where the
// averages are written as floats.
#include "vector.cl"

#if AVERAGE
// Adds a term to a sum and keeps what is rounded off: an average may have many terms.
#define ADD_TERM(result, lost, value)                          \
  {                                                            \
    const V term = (value) - lost, sum = result + term;        \
    lost = select((V)0, (sum - result) - term, isfinite(sum)); \
    result = sum;                                              \
  }

// The average of a whole image: SLICES work items share the pixels of WIDTH channels.
#ifdef SLICES
#if FLOAT_OUTPUT
typedef float average_t;
#else
typedef element average_t;
#endif
kernel __attribute__((reqd_work_group_size(VECTORS, SLICES, 1))) void globalAverage(
    global const element* in, ulong inAt, global average_t* out, ulong outAt, const VectorWindow w) {
  local V sums[SLICES][VECTORS];
  const int vector = get_global_id(0), slice = get_local_id(1), column = get_local_id(0);
  const int pixels = w.inHeight * w.inWidth;
  const ulong from = inAt + get_global_id(2) * w.inImage + min(vector, w.vectors - 1) * WIDTH;
  V result = 0, lost = 0;
  for (int pixel = slice; pixel < pixels; pixel += SLICES * BATCH) {
    Raw raw[BATCH];
#pragma unroll
    for (int i = 0; i < BATCH; ++i) {
      const int at = min(pixel + i * SLICES, pixels - 1), y = at / w.inWidth, x = at - y * w.inWidth;
      raw[i] = loadRaw(in, from + (long)y * w.inRow + x * w.inPixel, w.inAligned);
    }
#pragma unroll
    for (int i = 0; i < BATCH; ++i)
      if (pixel + i * SLICES < pixels) ADD_TERM(result, lost, toVector(raw[i]))
  }
  sums[slice][column] = result;
  barrier(CLK_LOCAL_MEM_FENCE);
  if (slice > 0 || vector >= w.vectors) return;
  for (int i = 1; i < SLICES; ++i) result += sums[i][column];
  result /= (float)pixels;
#if FLOAT_OUTPUT
#pragma unroll
  for (int e = 0; e < WIDTH; ++e)
    out[outAt + get_global_id(2) * w.outImage + (ulong)(vector * WIDTH + e) * w.outChannel] = ((float*)&result)[e];
#else
  storeVector(result, out, outAt + get_global_id(2) * w.outImage + vector * WIDTH, w.outAligned);
#endif
}
#endif
#endif

kernel void pool(global const element* in, ulong inAt, global element* out, ulong outAt,
                 const VectorWindow w) {
  const int item = get_global_id(0), ox = item / w.vectors, vector = item - ox * w.vectors;
  if (ox >= w.outWidth) return;
  const int oy = get_global_id(1);
  const ulong from = inAt + get_global_id(2) * w.inImage + vector * WIDTH;
  const int y = oy * w.strideY - w.padY, x = ox * w.strideX - w.padX;
  const int top = max(y, 0), bottom = min(y + w.kernelHeight, w.inHeight);
  const int left = max(x, 0), right = min(x + w.kernelWidth, w.inWidth);
#if AVERAGE
  V result = 0, lost = 0;
#else
  V result = LOWEST;
#endif
  for (int iy = top; iy < bottom; ++iy)
    for (int ix = left; ix < right; ix += BATCH) {
      Raw raw[BATCH];
#pragma unroll
      for (int i = 0; i < BATCH; ++i)
        raw[i] = loadRaw(in, from + (long)iy * w.inRow + min(ix + i, right - 1) * w.inPixel, w.inAligned);
#pragma unroll
      for (int i = 0; i < BATCH; ++i) {
        if (ix + i >= right) continue;
        const V value = toVector(raw[i]);
#if AVERAGE
        ADD_TERM(result, lost, value)
#else
        result = fmax(result, value);
#endif
      }
    }
#if AVERAGE
#if COUNT_PADDING
  const int rows = min(y + w.kernelHeight, w.inHeight + w.postPadY) - y;
  const int columns = min(x + w.kernelWidth, w.inWidth + w.postPadX) - x;
#else
  const int rows = bottom - top, columns = right - left;
#endif
  result /= (float)(rows * columns);
#endif
  const ulong to = outAt + get_global_id(2) * w.outImage + (long)oy * w.outRow + vector * WIDTH;
  storeVector(result, out, to + (ulong)ox * w.outPixel, w.outAligned);
}
