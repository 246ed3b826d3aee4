// One work item an element of the output; TAPS input positions an axis, from tables: for z, then y,
// then x, entry [position * 4 + tap].
#include "window.cl"

kernel void resize(global T0* y, ulong yAt, global const T1* x, ulong xAt, Strides to, Strides from,
                   global const int* index, global const float* weight, int channels, int depth,
                   int height, int width, int channelsLast, int total, int tapsZ, int tapsY) {
  int id = get_global_id(0);
  if (id >= total) return;
  Place p = placeOf(id, channels, depth, height, width, channelsLast);
  int atZ = p.z * 4, atY = (depth + p.y) * 4, atX = (depth + height + p.x) * 4;
#if TAPS == 1
  V0 sum = LOAD1(x + xAt, offsetOf(&from, p.n, p.c, index[atZ], index[atY], index[atX]));
#else
  float sum = 0;
  for (int i = 0; i < tapsZ; ++i)
    for (int j = 0; j < tapsY; ++j)
      for (int k = 0; k < TAPS; ++k)
        sum += weight[atZ + i] * weight[atY + j] * weight[atX + k] *
               LOAD1(x + xAt, offsetOf(&from, p.n, p.c, index[atZ + i], index[atY + j],
                                       index[atX + k]));
#endif
  STORE0(y + yAt, offsetOf(&to, p.n, p.c, p.z, p.y, p.x), sum);
}
