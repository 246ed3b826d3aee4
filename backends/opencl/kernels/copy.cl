// Copies elements of one size over a nest: operand 0 is written, operand 1 read.
//
// Defines: T0, what is copied at once; WIDTH, elements in it (1), for `copy`, whose nest counts in these.
#include "nest.cl"

#ifndef WIDTH
#define WIDTH 1
#endif

kernel void copy(global T0* y, ulong yAt, global const T0* x, ulong xAt, Nest nest) {
  int index = get_global_id(0);
  if (index >= nest.total) return;
  int at[2];
  nestOffsets(&nest, 2, index, at);
  y[yAt / WIDTH + at[0]] = x[xAt / WIDTH + at[1]];
}

// Both sides number the same elements in row-major order, each along axes of its own.
kernel void renumber(global T0* y, ulong yAt, global const T0* x, ulong xAt, Nest to, Nest from) {
  int index = get_global_id(0);
  if (index >= to.total) return;
  y[yAt + nestOffset(&to, 0, index)] = x[xAt + nestOffset(&from, 0, index)];
}

// A padded tensor: nest operand 0 is y; operand 1 holds x's strides, in y's axes; operand 2 the
// elements before x along each axis, operand 3 x's size.
kernel void pad(global T0* y, ulong yAt, global const T0* x, ulong xAt, Nest nest, ulong fill) {
  int index = get_global_id(0);
  if (index >= nest.total) return;
  int to = 0, from = 0;
  bool outside = false;
  for (int axis = 0; axis < nest.axes; ++axis) {
    int rest = index / nest.count[axis];
    int place = index - rest * nest.count[axis];
    index = rest;
    to += place * nest.stride[0][axis];
    int source = place - nest.stride[2][axis], size = nest.stride[3][axis];
#if defined(REFLECT)
    source = source < 0 ? -source : source;
    source = source >= size ? 2 * size - 2 - source : source;
#elif defined(EDGE)
    source = clamp(source, 0, size - 1);
#else
    outside = outside || source < 0 || source >= size;
#endif
    from += source * nest.stride[1][axis];
  }
  y[yAt + to] = outside ? (T0)fill : x[xAt + from];
}
