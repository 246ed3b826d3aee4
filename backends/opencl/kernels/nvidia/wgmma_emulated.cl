// nvidia/wgmma.cl and nvidia/copy_engine.cl in OpenCL C: copies and products happen at once, and whoever waits for a copy meets
// all others. Of descriptors those without permutation, addresses being counted from the beginning of local memory on.
#if WGMMA && EMULATED
#define BEGIN_PRODUCTS()
#define COMMIT_PRODUCTS()
#define WAIT_PRODUCTS(n)
#define SHOW_TO_PRODUCTS()
#define sameInWarp(number) (number)
#define meetInWarp()
#define makeBarrier(at, arrivals) (void)0
#define arriveAt(at) (void)0
#define waitAt(at, phase) (void)0
#define waitForCopy(at, phase) barrier(CLK_LOCAL_MEM_FENCE)
inline void copyBytes(local_address to, global const char* from, int bytes, local_address barrierAt) {
  for (int i = 0; i < bytes; i += 16) *(local uint4*)(to + i) = *(global const uint4*)(from + i);
}

// Chunks of 16 bytes lie in eights of rows; the descriptor says how far it is to the next chunk of the depth and to the next
// eight.
inline int chunkOfMatrix(ulong matrix, int row, int part) {
  const int first = matrix & 0x3fff, nextPart = matrix >> 16 & 0x3fff, nextEight = matrix >> 32 & 0x3fff;
  return (first + part * nextPart + (row >> 3) * nextEight + (row & 7)) * 16;
}
inline void multiplyMatrices(local const char* base, ulong a, ulong b, int warp, int lane, sum_t (*sum)[4]) {
  for (int j = 0; j < BN / 8; ++j)
    for (int e = 0; e < 4; ++e) {
      const int row = (warp & 3) * 16 + (e >> 1) * 8 + (lane >> 2), column = j * 8 + (lane & 3) * 2 + (e & 1);
      for (int part = 0; part < 2; ++part)
        sum[j][e] = multiplyChunks(base + chunkOfMatrix(a, row, part), base + chunkOfMatrix(b, column, part), sum[j][e]);
    }
}
#define MULTIPLY_MATRICES(a, b) multiplyMatrices(stages, a, b, warp, lane, sum[0])
#define matrixAddress(base, at) ((ulong)((at) - (base)) >> 4)

#if TYPE == 16 || TYPE == 19
// `a`: the first matrix as the threads of all four warps would hold it.
inline void multiplyByRegisters(local const char* base, global const uint4* a, ulong b, int warp, int lane, sum_t (*sum)[4]) {
  for (int j = 0; j < BN / 8; ++j)
    for (int e = 0; e < 4; ++e)
      for (int part = 0; part < 2; ++part) {
        local const char* column = base + chunkOfMatrix(b, j * 8 + (lane & 3) * 2 + (e & 1), part);
        for (int word = 0; word < 4; ++word) {
          const uint4 own = a[warp * 32 + (lane & ~3) + word];
          const uint row = part ? (e >> 1 ? own.w : own.z) : (e >> 1 ? own.y : own.x);
          sum[j][e] = multiplyWords(((local const uint*)column)[word], row, sum[j][e]);
        }
      }
}
#define MULTIPLY_BY_REGISTERS(a, tap, b) \
  multiplyByRegisters(cells, weights + (block * TAPS * PARTS + (tap)) * THREADS, b, warp, lane, sum[0])
#endif
#endif
