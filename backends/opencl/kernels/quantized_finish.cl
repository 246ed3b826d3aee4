// What becomes of the exact sum of a quantised convolution, step by step, each rounded by itself
// (layers/quantized_convolution.h).
#pragma OPENCL FP_CONTRACT OFF

inline float scaledSum(int sum, float scale, float bias) { return fma((float)sum, scale, bias); }
// What the residual's scale multiplies where it is added, fused.
inline float unscaledResidual(uint q, int zero) { return (float)((int)q - zero); }
// In the lowest byte. Clamping before rounding is the same, as the bounds are whole numbers, and adding 1.5 * 2^23
// rounds what is smaller than 2^22.
inline uint quantizedResult(float value, float inverse, int zero) {
  float quanta = fmin(fmax(value * inverse, (float)-zero), (float)(255 - zero));
  return as_uint(quanta + 12582912.0f) + zero;
}
