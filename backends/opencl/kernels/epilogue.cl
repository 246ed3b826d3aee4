// What happens to a sum before it is stored: ACTIVATION, and a residual before it (RESIDUAL 1) or
// after it (RESIDUAL 2).
#include "activation.cl"

inline float finish(float value, float residual, float alpha, float beta) {
#if defined(RESIDUAL) && RESIDUAL == 1
  return ACTIVATION(value + residual, alpha, beta);
#elif defined(RESIDUAL)
  return ACTIVATION(value, alpha, beta) + residual;
#else
  return ACTIVATION(value, alpha, beta);
#endif
}
