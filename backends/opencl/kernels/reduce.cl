// Reductions over the last nest's elements; a group of LANES work items an output (LANES 1: a work
// item). Lane l takes the elements l, l + LANES, ...; then the lanes' results are combined pairwise,
// so that the order follows from LANES and the number of elements alone.
#include "nest.cl"
#ifndef LANES
#define LANES 1
#endif

#if LANES > 1
#define LANE get_local_id(0)
#define OUTPUT get_group_id(0)
#define SHARE(type) local type shared[LANES]
// Leaves COMBINE of all lanes' values in `value` of every lane.
#define ALL_LANES(value, COMBINE)                                                   \
  do {                                                                              \
    shared[LANE] = value;                                                           \
    barrier(CLK_LOCAL_MEM_FENCE);                                                   \
    for (int width = LANES / 2; width > 0; width /= 2) {                            \
      if (LANE < width) shared[LANE] = COMBINE(shared[LANE], shared[LANE + width]); \
      barrier(CLK_LOCAL_MEM_FENCE);                                                 \
    }                                                                               \
    value = shared[0];                                                              \
    barrier(CLK_LOCAL_MEM_FENCE);                                                   \
  } while (0)
#else
#define LANE 0
#define OUTPUT get_global_id(0)
#define SHARE(type)
#define ALL_LANES(value, COMBINE)
#endif

#define ADD(a, b) ((a) + (b))

#ifdef REDUCE
#if defined(INTEGER)
#define SUM long
#define COMBINE_SUM(a, b) ((long)((ulong)(a) + (ulong)(b)))
#define COMBINE_PRODUCT(a, b) ((long)((ulong)(a) * (ulong)(b)))
#define COMBINE_MAX(a, b) ((b) > (a) ? (b) : (a))
#define COMBINE_MIN(a, b) ((b) < (a) ? (b) : (a))
#define START_MAX LONG_MIN
#define START_MIN LONG_MAX
#define WIDEN(x) ((long)(x))
#define NARROW(x) ((V0)(x))
#else
// A float and what was rounded off it, so that long sums and products stay exact to a float's bits.
#define SUM float2
inline float2 twoSum(float2 a, float2 b) {
  float s = a.x + b.x, t = s - a.x;
  return (float2)(s, isfinite(s) ? (a.x - (s - t)) + (b.x - t) + a.y + b.y : 0);
}
inline float2 twoProduct(float2 a, float2 b) {
  float p = a.x * b.x;
  return (float2)(p, isfinite(p) ? fma(a.x, b.x, -p) + a.x * b.y + a.y * b.x : 0);
}
#define COMBINE_SUM(a, b) twoSum(a, b)
#define COMBINE_PRODUCT(a, b) twoProduct(a, b)
#define COMBINE_MAX(a, b) ((b).x > (a).x ? (b) : (a))
#define COMBINE_MIN(a, b) ((b).x < (a).x ? (b) : (a))
#define START_MAX (float2)(-INFINITY, 0)
#define START_MIN (float2)(INFINITY, 0)
#define WIDEN(x) (float2)(x, 0)
#define NARROW(sum) ((sum).x + (sum).y)
#endif

// Nest `kept`: operands output, input. Nest `terms`: operand input.
kernel void reduce(global T0* y, ulong yAt, global const T1* x, ulong xAt, Nest kept, Nest terms) {
  SHARE(SUM);
  int index = OUTPUT;
  if (index >= kept.total) return;
  int at[2];
  nestOffsets(&kept, 2, index, at);
  SUM result = START;
  int inner = terms.count[0], step = terms.stride[0][0];
  for (int i = LANE; i < terms.total; i += LANES) {
    int outer = i / inner;
    int offset = (i - outer * inner) * step;
    for (int axis = 1; axis < terms.axes; ++axis) {
      int rest = outer / terms.count[axis];
      offset += (outer - rest * terms.count[axis]) * terms.stride[0][axis];
      outer = rest;
    }
    result = COMBINE(result, WIDEN(LOAD1(x + xAt, at[1] + offset)));
  }
  ALL_LANES(result, COMBINE);
  if (LANE != 0) return;
  V0 value = NARROW(result);
#ifdef AVERAGE
#if defined(INTEGER)
  value = (V0)(result / terms.total);
#else
  value = value / terms.total;
#endif
#endif
  STORE0(y + yAt, at[0], value);
}
#endif

#ifdef SOFTMAX
// Nest `kept`: operands output, input; the axis has `size` elements.
kernel void softmax(global T0* y, ulong yAt, global const T1* x, ulong xAt, Nest kept, int size,
                    int stepY, int stepX) {
  SHARE(float);
  int index = OUTPUT;
  if (index >= kept.total) return;
  int at[2];
  nestOffsets(&kept, 2, index, at);
  float top = -INFINITY;
  for (int i = LANE; i < size; i += LANES) top = fmax(top, LOAD1(x + xAt, at[1] + i * stepX));
  ALL_LANES(top, fmax);
  float sum = 0;
  for (int i = LANE; i < size; i += LANES) sum += exp(LOAD1(x + xAt, at[1] + i * stepX) - top);
  ALL_LANES(sum, ADD);
  for (int i = LANE; i < size; i += LANES)
    STORE0(y + yAt, at[0] + i * stepY, exp(LOAD1(x + xAt, at[1] + i * stepX) - top) / sum);
}
#endif

#ifdef NORMALIZE
// Nests with the operands output, input, scale, bias: the sets that share statistics, and what is
// in a set.
kernel void normalization(global T0* y, ulong yAt, global const T1* x, ulong xAt
#ifdef HAS_SCALE
                      , global const T2* scale, ulong scaleAt
#endif
#ifdef HAS_BIAS
                      , global const T3* bias, ulong biasAt
#endif
                      , Nest sets, Nest elements, float epsilon) {
  SHARE(float);
  int index = OUTPUT;
  if (index >= sets.total) return;
  int at[4], place[4];
  nestOffsets(&sets, 4, index, at);
  float mean = 0, variance = 0;
  for (int i = LANE; i < elements.total; i += LANES)
    mean += LOAD1(x + xAt, at[1] + nestOffset(&elements, 1, i));
  ALL_LANES(mean, ADD);
  mean /= elements.total;
  for (int i = LANE; i < elements.total; i += LANES) {
    float distance = LOAD1(x + xAt, at[1] + nestOffset(&elements, 1, i)) - mean;
    variance += distance * distance;
  }
  ALL_LANES(variance, ADD);
  float factor = 1 / sqrt(variance / elements.total + epsilon);
  for (int i = LANE; i < elements.total; i += LANES) {
    nestOffsets(&elements, 4, i, place);
    float value = (LOAD1(x + xAt, at[1] + place[1]) - mean) * factor;
#ifdef HAS_SCALE
    value *= LOAD2(scale + scaleAt, at[2] + place[2]);
#endif
#ifdef HAS_BIAS
    value += LOAD3(bias + biasAt, at[3] + place[3]);
#endif
    STORE0(y + yAt, at[0] + place[0], value);
  }
}
#endif

#ifdef LRN
// Nest operands: output, input, the channel itself.
kernel void lrn(global T0* y, ulong yAt, global const T1* x, ulong xAt, Nest nest, int channels,
                int before, int after, int stepX, float factor, float base, float beta) {
  int index = get_global_id(0);
  if (index >= nest.total) return;
  int at[3];
  nestOffsets(&nest, 3, index, at);
  int first = max(at[2] - before, 0) - at[2], last = min(at[2] + after, channels - 1) - at[2];
  float sum = 0;
  for (int i = first; i <= last; ++i) {
    float value = LOAD1(x + xAt, at[1] + i * stepX);
    sum += value * value;
  }
  STORE0(y + yAt, at[0], LOAD1(x + xAt, at[1]) / pow(base + factor * sum, beta));
}
#endif

#ifdef TOPK
// Descending (SMALLEST: ascending), NaN above all; equal values by their index.
#define IS_NAN(x) ((x) != (x))
#ifdef SMALLEST
#define BEFORE(a, b) (IS_NAN(b) ? !IS_NAN(a) : (a) < (b))
#else
#define BEFORE(a, b) (IS_NAN(a) ? !IS_NAN(b) : (a) > (b))
#endif
// A work item an element: its rank is the number of elements before it. Nest operands: values,
// input, indices, each without the axis, which is the nest's first and walks nothing but the number.
kernel void topk(global T0* values, ulong valuesAt, global int* indices, ulong indicesAt,
                 global const T1* x, ulong xAt, Nest lines, int size, int k, int stepValues,
                 int stepX, int stepIndices) {
  int number = get_global_id(0) % size, line = get_global_id(0) / size;
  if (line >= lines.total) return;
  int at[3];
  nestOffsets(&lines, 3, line, at);
  V1 own = LOAD1(x + xAt, at[1] + number * stepX);
  int rank = 0;
  for (int i = 0; i < size && rank < k; ++i) {
    V1 other = LOAD1(x + xAt, at[1] + i * stepX);
    rank += BEFORE(other, own) || (i < number && !BEFORE(own, other)) ? 1 : 0;
  }
  if (rank >= k) return;
  STORE0(values + valuesAt, at[0] + rank * stepValues, own);
  indices[indicesAt + at[2] + rank * stepIndices] = number;
}
#endif
