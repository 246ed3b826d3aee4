// Transposed convolution, a work item an output element: it sums over the taps that reach it.
// Weights are [input channel][output of the group][tap].
#include "window.cl"

kernel void deconv(global T0* y, ulong yAt, global const T1* x, ulong xAt,
                   global const float* weights, global const float* bias, Window w, Strides to,
                   Strides from, int groupInputs, int groupOutputs, int channelsLast, int total) {
  int index = get_global_id(0);
  if (index >= total) return;
  Place p = placeOf(index, w.channels, w.out[0], w.out[1], w.out[2], channelsLast);
  int first = p.c / groupOutputs * groupInputs, output = p.c % groupOutputs;
  int taps = w.kernel_[0] * w.kernel_[1] * w.kernel_[2];
  float sum = bias[p.c];
  for (int kz = 0; kz < w.kernel_[0]; ++kz) {
    int atZ = p.z + w.pad[0] - kz * w.dilation[0], iz = atZ / w.stride[0];
    if (atZ < 0 || iz * w.stride[0] != atZ || iz >= w.in[0]) continue;
    for (int ky = 0; ky < w.kernel_[1]; ++ky) {
      int atY = p.y + w.pad[1] - ky * w.dilation[1], iy = atY / w.stride[1];
      if (atY < 0 || iy * w.stride[1] != atY || iy >= w.in[1]) continue;
      for (int kx = 0; kx < w.kernel_[2]; ++kx) {
        int atX = p.x + w.pad[2] - kx * w.dilation[2], ix = atX / w.stride[2];
        if (atX < 0 || ix * w.stride[2] != atX || ix >= w.in[2]) continue;
        int tap = (kz * w.kernel_[1] + ky) * w.kernel_[2] + kx;
        for (int i = 0; i < groupInputs; ++i)
          sum = fma(weights[((first + i) * groupOutputs + output) * taps + tap],
                    LOAD1(x + xAt, offsetOf(&from, p.n, first + i, iz, iy, ix)), sum);
      }
    }
  }
  STORE0(y + yAt, offsetOf(&to, p.n, p.c, p.z, p.y, p.x), sum);
}
