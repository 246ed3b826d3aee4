#pragma once

#include <chrono>

namespace layerwise::apps {

/// Adds up the time of one stage of the work.
class Stopwatch {
 public:
  using Clock = std::chrono::steady_clock;

  /// Counts from its making to its end.
  class Lap {
   public:
    explicit Lap(Stopwatch& watch) : watch_(watch) {}
    ~Lap() { watch_.total_ += Clock::now() - start_; }
    Lap(const Lap&) = delete;
    Lap& operator=(const Lap&) = delete;

   private:
    Stopwatch& watch_;
    Clock::time_point start_ = Clock::now();
  };

  Lap lap() { return Lap(*this); }
  double seconds() const { return std::chrono::duration<double>(total_).count(); }

 private:
  Clock::duration total_{};
};

}  // namespace layerwise::apps
