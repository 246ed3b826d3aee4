// For the self-test of merged launches: items take what items of other groups have written, turned around within the group.
// Defines: THREADS, LOCAL_INTS.
kernel __attribute__((reqd_work_group_size(THREADS, 1, 1))) void exchange(global const uint* in, ulong inOffset, global uint* out,
                                                                          ulong outOffset, int stride, int items) {
  local uint part[LOCAL_INTS];
  const int thread = get_local_id(0), item = get_group_id(0) * THREADS + thread;
  part[LOCAL_INTS - 1 - thread] = in[inOffset + (ulong)item * stride % items];
  barrier(CLK_LOCAL_MEM_FENCE);
  out[outOffset + item] = part[LOCAL_INTS - THREADS + thread] * 1664525u + get_group_id(0);
}
