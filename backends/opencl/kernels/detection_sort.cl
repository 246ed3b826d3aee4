// The best of the candidates that detection_candidates.cl lists, sorted, the best first: MAX_CANDIDATES of
// each image, one work group an image of GROUP items. LOCAL_KEYS have room in local memory. GROUP,
// LOCAL_KEYS and SORTED_KEYS, an image's room among the sorted ones, are powers of two.

// A bitonic sort, the largest first.
#define SORT(keys, size, fence)                                             \
  for (int width = 2; width <= size; width *= 2)                            \
    for (int step = width / 2; step > 0; step /= 2) {                       \
      barrier(fence);                                                       \
      for (int i = item; i < size / 2; i += GROUP) {                        \
        const int low = i / step * step * 2 + i % step, high = low + step;  \
        const ulong a = keys[low], b = keys[high];                          \
        if ((a < b) == ((low & width) == 0)) keys[low] = b, keys[high] = a; \
      }                                                                     \
    }                                                                       \
  barrier(fence);

kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void sort_candidates(
    global const ulong* keys, ulong keysAt, global ulong* sorted, ulong sortedAt,
    global const int* counts, int keysOfImage) {
  local ulong nearKeys[LOCAL_KEYS];
  local uint histogram[256];
  local ulong prefix;
  local uint needed, taken;
  const int item = get_local_id(0), image = get_group_id(0), found = counts[image];
  keys += keysAt + (ulong)image * keysOfImage;
  sorted += sortedAt + (ulong)image * SORTED_KEYS;
  if (item == 0) prefix = 0, needed = MAX_CANDIDATES, taken = 0;
  barrier(CLK_LOCAL_MEM_FENCE);

  // The last of the best: its bytes, the highest first, by counting those of the keys. Here and
  // below, loops that may be of no length: barriers under conditions are more than PoCL takes.
  for (int shift = found > MAX_CANDIDATES ? 56 : -8; shift >= 0; shift -= 8) {
    for (int i = item; i < 256; i += GROUP) histogram[i] = 0;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int i = item; i < found; i += GROUP)
      if (shift == 56 || keys[i] >> (shift + 8) == prefix)
        atomic_inc(histogram + (int)(keys[i] >> shift & 255));
    barrier(CLK_LOCAL_MEM_FENCE);
    if (item == 0) {
      int byte = 255;
      for (; histogram[byte] < needed; --byte) needed -= histogram[byte];
      prefix = prefix << 8 | byte;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  const int candidates = min(found, MAX_CANDIDATES);
  int size = 1;
  while (size < candidates) size *= 2;
  const ulong last = prefix;
  // Where local memory has room for all, they are sorted there, otherwise in global memory.
  const int near = size <= LOCAL_KEYS ? size : 0, far = near ? 0 : size;
  for (int i = item; i < near; i += GROUP) nearKeys[i] = i < candidates ? keys[i] : 0;
  for (int i = item; i < (far ? found : 0); i += GROUP)
    if (keys[i] >= last) sorted[atomic_inc(&taken)] = keys[i];
  for (int i = candidates + item; i < far; i += GROUP) sorted[i] = 0;
  SORT(nearKeys, near, CLK_LOCAL_MEM_FENCE)
  SORT(sorted, far, CLK_GLOBAL_MEM_FENCE)
  for (int i = item; i < min(candidates, near); i += GROUP) sorted[i] = nearKeys[i];
}
