// A convolution of 8-bit integers, a work item an output element: the exact sum, then the float32
// steps of layers/quantized_convolution.h one by one. Weights are [output][tap][group's input].
#include "window.cl"
#include "activation.cl"
#include "quantized_finish.cl"

typedef struct {
  int groupInputs, groupOutputs, zero, outputZero, residualZero, channelsLast, total;
  float inverse, residualScale;
} Quantized;

kernel void quantized_conv(global T0* y, ulong yAt, global const uchar* x, ulong xAt,
                           global const char* weights, global const float* scales,
                           global const float* bias
#ifdef RESIDUAL
                           , global const T2* residual, ulong residualAt, Strides other
#endif
                           , Window w, Strides to, Strides from, Quantized q, float alpha,
                           float beta) {
  int index = get_global_id(0);
  if (index >= q.total) return;
  Place p = placeOf(index, w.channels, w.out[0], w.out[1], w.out[2], q.channelsLast);
  int first = p.c / q.groupOutputs * q.groupInputs, sum = 0;
  global const char* tap =
      weights + p.c * w.kernel_[0] * w.kernel_[1] * w.kernel_[2] * q.groupInputs;
  for (int kz = 0; kz < w.kernel_[0]; ++kz)
    for (int ky = 0; ky < w.kernel_[1]; ++ky)
      for (int kx = 0; kx < w.kernel_[2]; ++kx, tap += q.groupInputs) {
        int iz = p.z * w.stride[0] - w.pad[0] + kz * w.dilation[0];
        int iy = p.y * w.stride[1] - w.pad[1] + ky * w.dilation[1];
        int ix = p.x * w.stride[2] - w.pad[2] + kx * w.dilation[2];
        if ((uint)iz >= (uint)w.in[0] || (uint)iy >= (uint)w.in[1] || (uint)ix >= (uint)w.in[2])
          continue;
        global const uchar* line = x + xAt + offsetOf(&from, p.n, first, iz, iy, ix);
        for (int i = 0; i < q.groupInputs; ++i)
          sum += ((int)line[i * from.c] - q.zero) * (int)tap[i];
      }
  float value = scaledSum(sum, scales[p.c], bias[p.c]);
#ifdef RESIDUAL
  V2 given = LOAD2(residual + residualAt, offsetOf(&other, p.n, p.c, p.z, p.y, p.x));
#ifdef FLOAT_RESIDUAL
  float r = given;
#else
  float r = unscaledResidual(given, q.residualZero);
#endif
#if RESIDUAL == 1
  value = fma(r, q.residualScale, value);
#endif
#endif
  value = ACTIVATION(value, alpha, beta);
#if defined(RESIDUAL) && RESIDUAL == 2
  value = fma(r, q.residualScale, value);
#endif
  int at = offsetOf(&to, p.n, p.c, p.z, p.y, p.x);
#ifdef FLOAT_OUTPUT
  y[yAt + at] = value;
#else
  y[yAt + at] = (uchar)quantizedResult(value, q.inverse, q.outputZero);
#endif
}
