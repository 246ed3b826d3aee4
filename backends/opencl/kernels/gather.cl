// One work item an element of the output: a tuple of indices names where in the data its slice
// begins. Nest operands: output, indices, data (batch axes and slice).
#include "nest.cl"
typedef struct {
  int depth;
  int indexStride[8], size[8], dataStride[8];
} Lookup;

kernel void gather(global T0* y, ulong yAt, global const T0* data, ulong dataAt,
                   global const INDEX* where, ulong whereAt, Nest nest, Lookup lookup,
                   global int* failures, ulong failureAt) {
  int index = get_global_id(0);
  if (index >= nest.total) return;
  int at[3];
  nestOffsets(&nest, 3, index, at);
  int source = at[2];
  for (int i = 0; i < lookup.depth; ++i) {
    INDEX place = where[whereAt + at[1] + lookup.indexStride[i]];
    int size = lookup.size[i];
    if (place < -size || place >= size) {
      failures[failureAt] = 1;
      return;
    }
    source += (int)(place < 0 ? place + size : place) * lookup.dataStride[i];
  }
  y[yAt + at[0]] = data[dataAt + source];
}
