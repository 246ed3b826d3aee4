#pragma once

#include <time.h>

namespace layerwise::cpu {

/// What the calling thread has had of its processor, in seconds.
inline double processorSeconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

}  // namespace layerwise::cpu
