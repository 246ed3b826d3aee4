// The loops over an index space that several operands walk with strides of their own; one work item
// an element. Axis 0 is the innermost. Mirrors Nest of nest.h.
#define NEST_AXES 8
#define NEST_OPERANDS 5
typedef struct {
  int total;
  int axes;
  int count[NEST_AXES];
  int stride[NEST_OPERANDS][NEST_AXES];
} Nest;

// Where element `index` lies in operand `k`.
inline int nestOffset(const Nest* nest, int k, int index) {
  int offset = 0;
  for (int axis = 0; axis < nest->axes; ++axis) {
    int rest = index / nest->count[axis];
    offset += (index - rest * nest->count[axis]) * nest->stride[k][axis];
    index = rest;
  }
  return offset;
}

// The same for the first `operands` at once.
inline void nestOffsets(const Nest* nest, int operands, int index, int* offsets) {
  for (int k = 0; k < operands; ++k) offsets[k] = 0;
  for (int axis = 0; axis < nest->axes; ++axis) {
    int rest = axis + 1 < nest->axes ? index / nest->count[axis] : 0;
    int at = index - rest * nest->count[axis];
    for (int k = 0; k < operands; ++k) offsets[k] += at * nest->stride[k][axis];
    index = rest;
  }
}
