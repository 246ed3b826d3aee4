// Matrix products of warpgroups (wgmma, NVIDIA's compute capability 9.0a) on tiles in local memory. The
// compiler of OpenCL C targets sm_90 and refuses the instructions: they stand in comments of its PTX, which
// openWgmma (nvidia_wgmma.cpp) opens before the driver assembles it.
//
// Defines: TYPE (8: bytes, 16: half, 19: TF32), BN the columns of a product. Matrices are the instruction's 64-bit
// descriptors.
#if WGMMA && !EMULATED
#define LATER(text) "/*W " text " W*/"

#if TYPE == 8
#define SUMS4(j) "+r"(sum[0][j][0]), "+r"(sum[0][j][1]), "+r"(sum[0][j][2]), "+r"(sum[0][j][3])
#else
#define SUMS4(j) "+f"(sum[0][j][0]), "+f"(sum[0][j][1]), "+f"(sum[0][j][2]), "+f"(sum[0][j][3])
#endif
#define SUMS16(j) SUMS4(j), SUMS4(j + 1), SUMS4(j + 2), SUMS4(j + 3)
#define SUMS32(j) SUMS16(j), SUMS16(j + 4)
#define SUMS64(j) SUMS32(j), SUMS32(j + 8)
#if BN == 32
#define SUMS SUMS16(0)
#define COLUMNS "32"
#define MATRICES "%16, %17"
#define REGISTERS \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15"
#elif BN == 64
#define SUMS SUMS32(0)
#define COLUMNS "64"
#define MATRICES "%32, %33"
#define REGISTERS \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, " \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#elif BN == 128
#define SUMS SUMS64(0)
#define COLUMNS "128"
#define MATRICES "%64, %65"
#define REGISTERS \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, " \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, " \
  "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, " \
  "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#elif BN == 256
#define SUMS SUMS64(0), SUMS64(16)
#define COLUMNS "256"
#define MATRICES "%128, %129"
#define REGISTERS \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, " \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, " \
  "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, " \
  "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, " \
  "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, " \
  "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, " \
  "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, " \
  "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"
#endif
#if TYPE == 8
#define SHAPE_AND_TYPES "k32.s32.u8.s8"
#define SIGNS ""
#elif TYPE == 16
#define SHAPE_AND_TYPES "k16.f32.f16.f16"
#define SIGNS ", 1, 1, 0, 0"
#else
#define SHAPE_AND_TYPES "k8.f32.tf32.tf32"
#define SIGNS ", 1, 1"
#endif

// 32 bytes of depth: sum += rows of a x rows of b, while the thread goes on.
#define MULTIPLY_MATRICES(a, b)                                                                       \
  asm volatile(LATER("wgmma.mma_async.sync.aligned.m64n" COLUMNS SHAPE_AND_TYPES " {" REGISTERS "}, " \
                     MATRICES ", 1" SIGNS ";")                                                        \
               : SUMS                                                                                 \
               : "l"(a), "l"(b)                                                                       \
               : "memory")
#define BEGIN_PRODUCTS() asm volatile(LATER("wgmma.fence.sync.aligned;") ::: "memory")
#define COMMIT_PRODUCTS() asm volatile(LATER("wgmma.commit_group.sync.aligned;") ::: "memory")
#define WAIT_PRODUCTS_TEXT(n) asm volatile(LATER("wgmma.wait_group.sync.aligned " #n ";") : SUMS : : "memory")
#define WAIT_PRODUCTS(n) WAIT_PRODUCTS_TEXT(n)
// What this thread has written to local memory becomes visible to the products of others after a barrier.
#define SHOW_TO_PRODUCTS() asm volatile("fence.proxy.async.shared::cta;" ::: "memory")
#endif
