// Convolution where each output channel reads one input channel: a work item an output element.
// Weights are [tap][output].
#include "window.cl"
#include "epilogue.cl"

kernel void conv_depthwise(global T0* y, ulong yAt, global const T1* x, ulong xAt,
                           global const float* weights, global const float* bias
#ifdef RESIDUAL
                           , global const T2* residual, ulong residualAt, Strides other
#endif
                           , Window w, Strides to, Strides from, int multiplier, int channelsLast,
                           int total, float alpha, float beta) {
  int index = get_global_id(0);
  if (index >= total) return;
  Place p = placeOf(index, w.channels, w.out[0], w.out[1], w.out[2], channelsLast);
  int channel = p.c / multiplier;
  int z0 = p.z * w.stride[0] - w.pad[0], y0 = p.y * w.stride[1] - w.pad[1];
  int x0 = p.x * w.stride[2] - w.pad[2];
  float sum = bias[p.c];
  global const float* tap = weights + p.c;
  for (int kz = 0; kz < w.kernel_[0]; ++kz)
    for (int ky = 0; ky < w.kernel_[1]; ++ky)
      for (int kx = 0; kx < w.kernel_[2]; ++kx, tap += w.channels) {
        int iz = z0 + kz * w.dilation[0], iy = y0 + ky * w.dilation[1], ix = x0 + kx * w.dilation[2];
        if ((uint)iz >= (uint)w.in[0] || (uint)iy >= (uint)w.in[1] || (uint)ix >= (uint)w.in[2])
          continue;
        sum = fma(*tap, LOAD1(x + xAt, offsetOf(&from, p.n, channel, iz, iy, ix)), sum);
      }
#ifdef RESIDUAL
  sum = finish(sum, LOAD2(residual + residualAt, offsetOf(&other, p.n, p.c, p.z, p.y, p.x)), alpha,
               beta);
#else
  sum = finish(sum, 0, alpha, beta);
#endif
  STORE0(y + yAt, offsetOf(&to, p.n, p.c, p.z, p.y, p.x), sum);
}
