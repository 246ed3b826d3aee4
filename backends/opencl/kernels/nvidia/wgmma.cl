// Matrix products of warpgroups (wgmma, NVIDIA's compute capability 9.0a) on tiles in local memory. The
// compiler of OpenCL C targets sm_90 and refuses the instructions: they stand in comments of its PTX, which
// openWgmma (nvidia/wgmma.cpp) opens before the driver assembles it.
//
// Defines: TYPE (8: bytes, 16: half, 19: TF32); by openWgmma COLUMNS of a product, as text, SUMS and REGISTERS, the operands
// that hold its sums and their numbers, and MATRICES, the numbers of the two factors. Matrices are the instruction's 64-bit
// descriptors; the first may be in registers instead.
#if WGMMA && !EMULATED
#define LATER(text) "/*W " text " W*/"

#if TYPE == 8
#define SHAPE_AND_TYPES "k32.s32.u8.s8"
#define SIGNS ""
#elif TYPE == 16
#define SHAPE_AND_TYPES "k16.f32.f16.f16"
#define SIGNS ", 1, 1, 0, 0"
#define SIGNS_BY_REGISTERS ", 1, 1, 0"
#else
#define SHAPE_AND_TYPES "k8.f32.tf32.tf32"
#define SIGNS ", 1, 1"
#define SIGNS_BY_REGISTERS SIGNS
#endif

// 32 bytes of depth: sum += rows of a x rows of b, while the thread goes on.
#define MULTIPLY_MATRICES(a, b)                                                                       \
  asm volatile(LATER("wgmma.mma_async.sync.aligned.m64n" COLUMNS SHAPE_AND_TYPES " {" REGISTERS "}, " \
                     MATRICES ", 1" SIGNS ";")                                                        \
               : SUMS                                                                                 \
               : "l"(a), "l"(b)                                                                       \
               : "memory")
// The same with 64 rows of a in registers.
#define MULTIPLY_BY_REGISTERS(a, tap, b)                                                              \
  asm volatile(LATER("wgmma.mma_async.sync.aligned.m64n" COLUMNS SHAPE_AND_TYPES " {" REGISTERS "}, " \
                     MATRICES ", 1" SIGNS_BY_REGISTERS ";")                                           \
               : SUMS                                                                                 \
               : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "l"(b)                                       \
               : "memory")
#define BEGIN_PRODUCTS() asm volatile(LATER("wgmma.fence.sync.aligned;") ::: "memory")
#define COMMIT_PRODUCTS() asm volatile(LATER("wgmma.commit_group.sync.aligned;") ::: "memory")
#define WAIT_PRODUCTS_TEXT(n) asm volatile(LATER("wgmma.wait_group.sync.aligned " #n ";") : SUMS : : "memory")
#define WAIT_PRODUCTS(n) WAIT_PRODUCTS_TEXT(n)
// What a descriptor holds of an address.
#define matrixAddress(base, at) (ulong)((at) >> 4)
// What this thread has written to local memory becomes visible to the products of others after a barrier.
#define SHOW_TO_PRODUCTS() asm volatile("fence.proxy.async.shared::cta;" ::: "memory")
#endif
