#include "backends/cpu/processor_time.h"

#include <time.h>

namespace layerwise::cpu {
namespace {

double secondsOf(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// Whether the clock moves while a thread computes for a short time, again and again.
bool movesSteadily(clockid_t clock) {
  constexpr double kShortSeconds = 50e-6, kGiveUpSeconds = 500e-6;
  constexpr int kMoves = 3;
  for (int move = 0; move < kMoves; ++move) {
    const double start = secondsOf(CLOCK_MONOTONIC), before = secondsOf(clock);
    double after = before, now = start;
    while (now - start < kGiveUpSeconds && after == before) {
      after = secondsOf(clock);
      now = secondsOf(CLOCK_MONOTONIC);
    }
    if (after == before || after - before > kShortSeconds) return false;
  }
  return true;
}

}  // namespace

double processorSeconds() {
  static const clockid_t clock =
      movesSteadily(CLOCK_THREAD_CPUTIME_ID) ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
  return secondsOf(clock);
}

}  // namespace layerwise::cpu
