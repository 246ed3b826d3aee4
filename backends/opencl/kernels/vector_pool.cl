// Pooling: a work item computes WIDTH channels of one pixel.
//
// Defines beside those of vector.cl: AVERAGE, 1 or 0; COUNT_PADDING, 1 or 0; BATCH, so many values side by side are asked
// for before the first is used.
#include "vector.cl"

kernel void pool(global const element* in, ulong inAt, global element* out, ulong outAt,
                 const VectorWindow w) {
  const int vector = get_global_id(0) % w.vectors, ox = get_global_id(0) / w.vectors;
  if (ox >= w.outWidth) return;
  const int oy = get_global_id(1);
  const ulong from = inAt + get_global_id(2) * w.inImage + vector * WIDTH;
  const int y = oy * w.strideY - w.padY, x = ox * w.strideX - w.padX;
  const int top = max(y, 0), bottom = min(y + w.kernelHeight, w.inHeight);
  const int left = max(x, 0), right = min(x + w.kernelWidth, w.inWidth);
#if AVERAGE
  // The sums and what was rounded off them: a global average has many terms.
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
        const V term = value - lost, sum = result + term;
        lost = select((V)0, (sum - result) - term, isfinite(sum));
        result = sum;
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
