// The activations of include/layerwise/layers.h, for alone and for the end of other kernels.
inline float sigmoidOf(float x) { return 1 / (1 + exp(-x)); }
inline float softplusOf(float x) { return fmax(x, 0.0f) + log1p(exp(-fabs(x))); }
// Comparisons rather than fmin and fmax, which drop a NaN.
inline float clipped(float x, float low, float high) { return x < low ? low : x > high ? high : x; }

inline float act_none(float x, float alpha, float beta) { return x; }
inline float act_relu(float x, float alpha, float beta) { return x > 0 ? x : x != x ? x : 0; }
inline float act_sigmoid(float x, float alpha, float beta) { return sigmoidOf(x); }
inline float act_tanh(float x, float alpha, float beta) { return tanh(x); }
inline float act_leaky_relu(float x, float alpha, float beta) { return x >= 0 ? x : alpha * x; }
inline float act_elu(float x, float alpha, float beta) { return x >= 0 ? x : alpha * expm1(x); }
inline float act_selu(float x, float alpha, float beta) {
  return beta * (x >= 0 ? x : alpha * expm1(x));
}
inline float act_softsign(float x, float alpha, float beta) { return x / (1 + fabs(x)); }
inline float act_softplus(float x, float alpha, float beta) { return alpha * softplusOf(beta * x); }
inline float act_clip(float x, float alpha, float beta) { return clipped(x, alpha, beta); }
inline float act_hard_sigmoid(float x, float alpha, float beta) {
  return clipped(alpha * x + beta, 0, 1);
}
inline float act_scaled_tanh(float x, float alpha, float beta) { return alpha * tanh(beta * x); }
// alpha is the largest float that is not above the threshold.
inline float act_thresholded_relu(float x, float alpha, float beta) { return x > alpha ? x : 0; }
inline float act_gelu_erf(float x, float alpha, float beta) {
  return x / 2 * (1 + erf(x * 0.70710678118654752f));
}
inline float act_gelu_tanh(float x, float alpha, float beta) {
  return x / 2 * (1 + tanh(0.7978845608028654f * (x + 0.044715f * x * x * x)));
}
inline float act_silu(float x, float alpha, float beta) { return x * sigmoidOf(x); }
inline float act_mish(float x, float alpha, float beta) { return x * tanh(softplusOf(x)); }
inline float act_hard_swish(float x, float alpha, float beta) {
  return x * clipped(x / 6 + 0.5f, 0, 1);
}
