#include "winograd.cl"

// d: POINTS values of a row or column of the input; t: B^T d.
inline void transformInput(const float* d, float* t) {
#if POINTS == 4
  t[0] = d[0] - d[2];
  t[1] = d[1] + d[2];
  t[2] = d[2] - d[1];
  t[3] = d[3] - d[1];
#else
  float even = fma(-2.0f, d[2], d[4]), odd = fma(-2.0f, d[1], d[3]);
  float even2 = fma(-0.5f, d[2], d[4]), odd2 = fma(-0.5f, d[1], d[3]);
  t[0] = fma(-2.5f, d[2], d[0] + d[4]);
  t[1] = fma(NEAR, odd, even);
  t[2] = fma(-NEAR, odd, even);
  t[3] = fma(FAR, odd2, even2);
  t[4] = fma(-FAR, odd2, even2);
  t[5] = fma(-2.5f, d[3], d[1] + d[5]);
#endif
}

// A work item transforms one channel of one patch; neighbours have neighbouring channels.
kernel void winograd_input(global float* transformed, ulong transformedAt, global const T0* x,
                           ulong xAt, Winograd w) {
  const int item = get_global_id(0), patch = item / w.pitch, channel = item - patch * w.pitch;
  if (patch >= w.patches) return;
  Place at = placeOf(w.firstPatch + patch, 1, 1, w.patchesY, w.patchesX, 0);
  int firstY = at.y * OUTPUTS - w.padY, firstX = at.x * OUTPUTS - w.padX;
  x += xAt + (at.n * w.tensor.n + channel * w.tensor.c + firstY * w.tensor.y + firstX * w.tensor.x);
  bool exists = channel < w.channels;
  float rows[POINTS][POINTS];
#pragma unroll
  for (int j = 0; j < POINTS; ++j) {
    float column[POINTS], t[POINTS];
#pragma unroll
    for (int i = 0; i < POINTS; ++i) {
      bool inside = exists && (uint)(firstY + i) < (uint)w.height &&
                    (uint)(firstX + j) < (uint)w.width;
      column[i] = inside ? LOAD0(x, i * w.tensor.y + j * w.tensor.x) : 0;
    }
    transformInput(column, t);
#pragma unroll
    for (int i = 0; i < POINTS; ++i) rows[i][j] = t[i];
  }
  transformed += transformedAt + ((long)patch * ELEMENTS * w.pitch + channel);
#pragma unroll
  for (int i = 0; i < POINTS; ++i) {
    float t[POINTS];
    transformInput(rows[i], t);
#pragma unroll
    for (int j = 0; j < POINTS; ++j) transformed[(i * POINTS + j) * w.pitch] = t[j];
  }
}
