// nvidia/ptx.cl in OpenCL C: copies happen at once.
#if EMULATED
inline float leastOf(float a, float b) { return a < b || a != a ? a : b; }
inline float mostOf(float a, float b) { return a > b || a != a ? a : b; }

typedef local char* local_address;
#define localAddress(p) (p)
inline void copyChunk(local_address to, global const char* from, int bytes) {
  *(local uint4*)to = bytes ? *(global const uint4*)from : (uint4)(0);
}
inline void storeChunk(local_address to, uint4 v) { *(local uint4*)to = v; }
#define commitCopies()
#define WAIT_COPIES(n)
inline float fromHalf(ushort bits) { return vload_half(0, (const half*)&bits); }
inline uint toHalves(float low, float high) {
  ushort bits[2];
  vstore_half(low, 0, (half*)bits);
  vstore_half(high, 1, (half*)bits);
  return bits[0] | (uint)bits[1] << 16;
}
inline uint toPositiveHalves(float low, float high) { return toHalves(mostOf(low, 0), mostOf(high, 0)); }
inline uint maxOfHalves(uint a, uint b) {
  return toHalves(fmax(fromHalf((ushort)a), fromHalf((ushort)b)), fmax(fromHalf((ushort)(a >> 16)), fromHalf((ushort)(b >> 16))));
}
// Threads of a warp do not run in step: all meet, and pass the bits on in `exchanged`, a word a thread.
#define TAKE_FROM_LANE(to, bits, lane)            \
  exchanged[get_local_id(0)] = bits;              \
  barrier(CLK_LOCAL_MEM_FENCE);                   \
  to = exchanged[(get_local_id(0) & ~31) + (lane)]; \
  barrier(CLK_LOCAL_MEM_FENCE);
#define showAll() mem_fence(CLK_GLOBAL_MEM_FENCE)
inline float4 loadShared(global const float4* from) { return *(volatile global const float4*)from; }

#if TYPE == 57
inline void storeLeft(local_address to, local_address from) {
  for (int e = 0; e < 4; ++e) ((local uint*)to)[e] = leftOf(((local const uint*)from)[e]);
}
#endif

#if TYPE == 8
inline sum_t multiplyWords(uint a, uint b, sum_t sum) {
  for (int shift = 0; shift < 32; shift += 8) sum += (int)(uchar)(a >> shift) * (int)(char)(b >> shift);
  return sum;
}
#elif TYPE == 16
inline sum_t multiplyWords(uint a, uint b, sum_t sum) {
  sum = fma(fromHalf((ushort)a), fromHalf((ushort)b), sum);
  return fma(fromHalf((ushort)(a >> 16)), fromHalf((ushort)(b >> 16)), sum);
}
#elif TYPE == 19 || TYPE == 57
inline sum_t multiplyWords(uint a, uint b, sum_t sum) {
  return fma(as_float(inTf32(a)), as_float(inTf32(b)), sum);
}
#endif
#if TYPE != 32
// The product of a row of a and a row of b at the same place of the depth, 16 bytes each.
inline sum_t multiplyChunks(local const char* a, local const char* b, sum_t sum) {
  for (int word = 0; word < 4; ++word)
    sum = multiplyWords(((local const uint*)a)[word], ((local const uint*)b)[word], sum);
  return sum;
}
#endif
#if TYPE == 57
// Of numbers that are sums of two, the two products that are smaller; b's second parts lie so much further.
inline float multiplyLeft(local const char* a, local const char* b, int secondParts, float sum) {
  for (int word = 0; word < 4; ++word) {
    const uint x = ((local const uint*)a)[word];
    sum = multiplyWords(leftOf(x), ((local const uint*)b)[word], sum);
    sum = multiplyWords(x, ((local const uint*)(b + secondParts))[word], sum);
  }
  return sum;
}
#endif
#endif
