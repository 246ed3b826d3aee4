#pragma once

// Kernels are built from small pieces whose arrays must end up in registers.
#define LW_INLINE inline __attribute__((always_inline))
#define LW_UNROLL _Pragma("GCC unroll 64")
