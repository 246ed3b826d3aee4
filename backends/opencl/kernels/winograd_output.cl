#include "winograd.cl"
#include "epilogue.cl"

// t: POINTS values of a row or column of the products; y: A^T t.
inline void transformOutput(const float* t, float* y) {
#if POINTS == 4
  y[0] = t[0] + t[1] + t[2];
  y[1] = t[1] - t[2] + t[3];
#else
  float even = t[1] + t[2], odd = t[1] - t[2], even2 = t[3] + t[4], odd2 = t[3] - t[4];
  y[0] = t[0] + even + even2;
  y[1] = fma(NEAR, odd, FAR * odd2);
  y[2] = fma(0.5f, even, even2 + even2);
  y[3] = fma(NEAR / 2, odd, fma(2 * FAR, odd2, t[5]));
#endif
}

kernel void winograd_output(global T0* y, ulong yAt, global const float* products,
                            ulong productsAt, global const float* bias
#ifdef RESIDUAL
                            , global const T1* residual, ulong residualAt
#endif
                            , Winograd w, float alpha, float beta) {
  const int item = get_global_id(0), patch = item / w.channels, channel = item - patch * w.channels;
  if (patch >= w.patches) return;
  products += productsAt + ((long)patch * ELEMENTS * w.pitch + channel);
  float rows[OUTPUTS][POINTS];
#pragma unroll
  for (int j = 0; j < POINTS; ++j) {
    float column[POINTS], t[OUTPUTS];
#pragma unroll
    for (int i = 0; i < POINTS; ++i) column[i] = products[(i * POINTS + j) * w.pitch];
    transformOutput(column, t);
#pragma unroll
    for (int i = 0; i < OUTPUTS; ++i) rows[i][j] = t[i];
  }
  Place at = placeOf(w.firstPatch + patch, 1, 1, w.patchesY, w.patchesX, 0);
  int firstY = at.y * OUTPUTS, firstX = at.x * OUTPUTS;
  y += yAt + offsetOf(&w.tensor, at.n, channel, 0, firstY, firstX);
#ifdef RESIDUAL
  residual += residualAt + offsetOf(&w.residual, at.n, channel, 0, firstY, firstX);
#endif
  float results[OUTPUTS][OUTPUTS];
#pragma unroll
  for (int i = 0; i < OUTPUTS; ++i) transformOutput(rows[i], results[i]);
  float added = bias[channel];
  UNROLL
  for (int i = 0; i < OUTPUTS; ++i) {
    UNROLL
    for (int j = 0; j < OUTPUTS; ++j) {
      if (firstY + i >= w.height || firstX + j >= w.width) continue;
      float other = 0;
#ifdef RESIDUAL
      other = LOAD1(residual, i * w.residual.y + j * w.residual.x);
#endif
      STORE0(y, i * w.tensor.y + j * w.tensor.x, finish(results[i][j] + added, other, alpha, beta));
    }
  }
}
