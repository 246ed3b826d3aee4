// Nearest-neighbour resizing: a work item copies WIDTH channels of one pixel.
#include "vector.cl"

kernel void resize(global const element* in, ulong inAt, global const int* rows,
                   global const int* columns, global element* out, ulong outAt,
                   const VectorWindow w) {
  const int item = get_global_id(0), ox = item / w.vectors, vector = item - ox * w.vectors;
  if (ox >= w.outWidth) return;
  const int oy = get_global_id(1);
  const ulong from = inAt + get_global_id(2) * w.inImage + vector * WIDTH;
  const ulong to = outAt + get_global_id(2) * w.outImage + vector * WIDTH;
  const V value =
      loadVector(in, from + (long)rows[oy] * w.inRow + (long)columns[ox] * w.inPixel, w.inAligned);
  storeVector(value, out, to + (long)oy * w.outRow + (long)ox * w.outPixel, w.outAligned);
}
