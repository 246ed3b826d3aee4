// What the convolutions on NVIDIA devices need of PTX (nvidia/emulated.cl has the same in OpenCL C).
#if !EMULATED
// Unlike fmin and fmax these keep a NaN.
float leastOf(float a, float b) {
  float least;
  asm("min.NaN.f32 %0, %1, %2;" : "=f"(least) : "f"(a), "f"(b));
  return least;
}
float mostOf(float a, float b) {
  float most;
  asm("max.NaN.f32 %0, %1, %2;" : "=f"(most) : "f"(a), "f"(b));
  return most;
}

typedef uint local_address;
local_address localAddress(local char* p) { return (uint)(ulong)p; }

void copyChunk(local_address to, global const char* from, int bytes) {
  asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(bytes) : "memory");
}
void storeChunk(local_address to, uint4 v) {
  asm volatile("st.shared.v4.b32 [%0], {%1, %2, %3, %4};" ::"r"(to), "r"(v.x), "r"(v.y), "r"(v.z), "r"(v.w) : "memory");
}
void commitCopies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
#define WAIT_COPIES_TEXT(n) asm volatile("cp.async.wait_group " #n ";" ::: "memory")
#define WAIT_COPIES(n) WAIT_COPIES_TEXT(n)

#if TYPE == 57
void storeLeft(local_address to, local_address from) {
  uint v[4];
  asm volatile("ld.shared.v4.b32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v[0]), "=r"(v[1]), "=r"(v[2]), "=r"(v[3])
               : "r"(from)
               : "memory");
  storeChunk(to, (uint4)(leftOf(v[0]), leftOf(v[1]), leftOf(v[2]), leftOf(v[3])));
}
#endif

float fromHalf(ushort bits) {
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
  return value;
}
uint toHalves(float low, float high) {
  uint bits;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
  return bits;
}
// The same of what is not negative, and 0 of what is; a NaN stays.
uint toPositiveHalves(float low, float high) {
  uint bits;
  asm("cvt.rn.relu.f16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
  return bits;
}
// The larger of each two, of a NaN and a number the number.
uint maxOfHalves(uint a, uint b) {
  uint most;
  asm("max.f16x2 %0, %1, %2;" : "=r"(most) : "r"(a), "r"(b));
  return most;
}
#define TAKE_FROM_LANE(to, bits, lane) \
  asm volatile("shfl.sync.idx.b32 %0, %1, %2, 0x1f, 0xffffffff;" : "=r"(to) : "r"(bits), "r"(lane));
// Global memory in order: what was written before is seen by all before what is written after.
void showAll() { asm volatile("membar.gl;" ::: "memory"); }
// Past the first-level cache.
float4 loadShared(global const float4* from) {
  float4 v;
  asm volatile("ld.global.cg.v4.f32 {%0, %1, %2, %3}, [%4];"
               : "=f"(v.x), "=f"(v.y), "=f"(v.z), "=f"(v.w)
               : "l"(from)
               : "memory");
  return v;
}
#endif
