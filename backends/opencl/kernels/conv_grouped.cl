// Convolution in groups of few channels, down to one: a work item OUTPUTS neighbouring channels of one
// group at a position. Weights are [tap][input of the group][output]. INPUTS of a group: 1, or `inputs`.
#include "window.cl"
#include "epilogue.cl"

kernel void conv_grouped(global T0* y, ulong yAt, global const T1* x, ulong xAt,
                         global const float* weights, global const float* bias
#ifdef RESIDUAL
                         , global const T2* residual, ulong residualAt, Strides other
#endif
                         , Window w, Strides to, Strides from, int inputs, int groupOutputs,
                         int channelsLast, int total, float alpha, float beta) {
  int index = get_global_id(0);
  if (index >= total) return;
  Place p = placeOf(index, w.channels / OUTPUTS, w.out[0], w.out[1], w.out[2], channelsLast);
  p.c *= OUTPUTS;
  int firstInput = p.c / groupOutputs * INPUTS;
  int z0 = p.z * w.stride[0] - w.pad[0], y0 = p.y * w.stride[1] - w.pad[1];
  int x0 = p.x * w.stride[2] - w.pad[2];
  float sums[OUTPUTS];
  for (int o = 0; o < OUTPUTS; ++o) sums[o] = bias[p.c + o];
  global const float* tap = weights + p.c;
  for (int kz = 0; kz < w.kernel_[0]; ++kz)
    for (int ky = 0; ky < w.kernel_[1]; ++ky)
      for (int kx = 0; kx < w.kernel_[2]; ++kx, tap += INPUTS * w.channels) {
        int iz = z0 + kz * w.dilation[0], iy = y0 + ky * w.dilation[1], ix = x0 + kx * w.dilation[2];
        if ((uint)iz >= (uint)w.in[0] || (uint)iy >= (uint)w.in[1] || (uint)ix >= (uint)w.in[2])
          continue;
        int at = offsetOf(&from, p.n, firstInput, iz, iy, ix);
        for (int i = 0; i < INPUTS; ++i) {
          float value = LOAD1(x + xAt, at + i * from.c);
          for (int o = 0; o < OUTPUTS; ++o) sums[o] = fma(tap[i * w.channels + o], value, sums[o]);
        }
      }
  for (int o = 0; o < OUTPUTS; ++o) {
    float added = 0;
#ifdef RESIDUAL
    added = LOAD2(residual + residualAt, offsetOf(&other, p.n, p.c + o, p.z, p.y, p.x));
#endif
    STORE0(y + yAt, offsetOf(&to, p.n, p.c + o, p.z, p.y, p.x),
           finish(sums[o], added, alpha, beta));
  }
}
