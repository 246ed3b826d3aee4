// y = FUNCTION(a, b, ...) for every element of a nest of OPERANDS - 1 inputs (operand 0 is y).
// T, V, LOAD and STORE of each operand come from defineTypes(); FUNCTION from one of the files below.
#include "nest.cl"
#ifdef USE_ACTIVATION
#include "activation.cl"
#define FUNCTION(x) ACTIVATION(x, alpha, beta)
#endif
#ifdef USE_UNARY
#include "unary.cl"
#endif
#ifdef USE_ELEMENTWISE
#include "elementwise.cl"
#endif
#ifdef USE_CAST
#include "cast.cl"
#endif
#ifdef USE_QUANTIZE
#include "quantize.cl"
#endif

kernel void map(global T0* y, ulong yAt
                , global const T1* a, ulong aAt
#if OPERANDS > 2
                , global const T2* b, ulong bAt
#endif
#if OPERANDS > 3
                , global const T3* c, ulong cAt
#endif
#if OPERANDS > 4
                , global const T4* d, ulong dAt
#endif
                , Nest nest, float alpha, float beta) {
  int index = get_global_id(0);
  if (index >= nest.total) return;
  int at[OPERANDS];
  nestOffsets(&nest, OPERANDS, index, at);
  V1 first = LOAD1(a + aAt, at[1]);
#if OPERANDS == 2
  V0 result = FUNCTION(first);
#elif OPERANDS == 3
  V0 result = FUNCTION(first, LOAD2(b + bAt, at[2]));
#elif OPERANDS == 4
  V0 result = FUNCTION(first, LOAD2(b + bAt, at[2]), LOAD3(c + cAt, at[3]));
#else
  V0 result = FUNCTION(first, LOAD2(b + bAt, at[2]), LOAD3(c + cAt, at[3]), LOAD4(d + dAt, at[4]));
#endif
  STORE0(y + yAt, at[0], result);
}
