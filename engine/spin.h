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

}  // namespace layerwise
