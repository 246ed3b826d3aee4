// Copies to local memory by the copy engine (cp.async.bulk, NVIDIA's compute capability 9.0) and the barriers that say when
// they have come; like nvidia/wgmma.cl's instructions they stand in comments first.
#if WGMMA && !EMULATED
// Tells the compiler that a number is the same for all threads of a warp.
int sameInWarp(int number) {
  asm volatile("shfl.sync.idx.b32 %0, %0, 0, 0x1f, 0xffffffff;" : "+r"(number));
  return number;
}
void meetInWarp() { asm volatile("bar.warp.sync 0xffffffff;" ::: "memory"); }

// Those that wait take the number of the phase that they wait for.
void makeBarrier(local_address at, int arrivals) {
  asm volatile(LATER("mbarrier.init.shared::cta.b64 [%0], %1;") ::"r"(at), "r"(arrivals) : "memory");
}
void arriveAt(local_address at) {
  asm volatile(LATER("{ .reg .b64 state; mbarrier.arrive.shared::cta.b64 state, [%0]; }") ::"r"(at) : "memory");
}
void waitAt(local_address at, int phase) {
  uint done;
  do {
    asm volatile(LATER("{ .reg .pred p; mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2; selp.u32 %0, 1, 0, p; }")
                 : "=r"(done)
                 : "r"(at), "r"(phase & 1)
                 : "memory");
  } while (!done);
}
// For those who read; waitAt for the one that fills again.
#define waitForCopy(at, phase) waitAt(at, phase)
void copyBytes(local_address to, global const char* from, int bytes, local_address barrierAt) {
  asm volatile(LATER("{ .reg .b64 state; mbarrier.arrive.expect_tx.shared::cta.b64 state, [%2], %3; } "
                     "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %3, [%2];")
               ::"r"(to), "l"(from), "r"(barrierAt), "r"(bytes)
               : "memory");
}
#endif
