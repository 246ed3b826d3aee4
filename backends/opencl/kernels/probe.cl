// Adds 2 to a number that is 40, each time by another ability of the device.
#if defined(HALF_ARITHMETIC)
// NVIDIA's compiler takes this although it does not list the extension.
#pragma OPENCL EXTENSION cl_khr_fp16 : enable
kernel void probe(global float* x) {
  half a = (half)x[0];
  half b = a + (half)1.0f;
  x[0] = (float)(b + (half)1.0f);
}
#elif defined(DOUBLES)
#ifdef cl_khr_fp64
#pragma OPENCL EXTENSION cl_khr_fp64 : enable
#endif
kernel void probe(global float* x) {
  double a = (double)x[0] + 1e-12;
  x[0] = (float)((a - x[0]) * 2e12);
  x[0] = x[0] > 1.9f && x[0] < 2.1f ? 42 : 0;
}
#elif defined(SUBGROUPS)
#pragma OPENCL EXTENSION cl_khr_subgroups : enable
kernel void probe(global float* x) {
  x[0] = sub_group_reduce_add(x[0]) + 2;
}
#elif defined(INLINE_PTX)
kernel void probe(global float* x) {
  float y;
  asm volatile("add.f32 %0, %1, 0f40000000;" : "=f"(y) : "f"(x[0]));
  x[0] = y;
}
#endif
