#pragma once

#include <atomic>
#include <cstdint>

namespace layerwise {

/// Waits while the atomic holds `value`: spins for some tens of microseconds, which is how long a
/// neighbour in a running network takes, then parks in the kernel, so that a worker whose core was
/// taken does not burn the others.
inline void spinThenWaitWhileEqual(const std::atomic<std::uint32_t>& atomic, std::uint32_t value) {
  constexpr int kSpins = 2000;
  for (int i = 0; i < kSpins; ++i) {
    if (atomic.load(std::memory_order_acquire) != value) return;
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }
  atomic.wait(value, std::memory_order_acquire);
}

/// A barrier for a fixed number of threads that can be passed any number of times.
class Barrier {
 public:
  explicit Barrier(std::uint32_t count) : count_(count) {}

  void arriveAndWait() {
    std::uint32_t phase = phase_.load(std::memory_order_acquire);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == count_) {
      arrived_.store(0, std::memory_order_relaxed);
      phase_.store(phase + 1, std::memory_order_release);
      phase_.notify_all();
    } else {
      spinThenWaitWhileEqual(phase_, phase);
    }
  }

 private:
  const std::uint32_t count_;
  alignas(64) std::atomic<std::uint32_t> arrived_{0};
  alignas(64) std::atomic<std::uint32_t> phase_{0};
};

}  // namespace layerwise
