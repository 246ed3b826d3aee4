#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <thread>
#include <vector>

namespace layerwise::cpu {

inline double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

inline float* allocate(int64_t floats) {
  const size_t bytes = (static_cast<size_t>(floats) * sizeof(float) / 64 + 4) * 64;
  float* p = static_cast<float*>(std::aligned_alloc(64, bytes));
  for (size_t i = 0; i < bytes / sizeof(float); ++i) p[i] = static_cast<float>(i % 13) * 0.01f;
  return p;
}

// Spinning workers, so that what is timed is the kernels and not the waking of threads.
class Workers {
 public:
  explicit Workers(int count) {
    for (int i = 1; i < count; ++i) threads_.emplace_back([this, i] { loop(i); });
  }
  ~Workers() {
    stop_ = true;
    ++epoch_;
    for (std::thread& t : threads_) t.join();
  }
  int count() const { return static_cast<int>(threads_.size()) + 1; }
  template <class F>
  void run(int64_t tiles, const F& body) {
    work_ = [&body, tiles, this](int worker) {
      for (int64_t t; (t = next_.fetch_add(1)) < tiles;) body(worker, t);
    };
    next_ = 0;
    done_ = 0;
    ++epoch_;
    work_(0);
    while (done_ < static_cast<int>(threads_.size())) __builtin_ia32_pause();
  }

 private:
  void loop(int worker) {
    int seen = 0;
    while (true) {
      while (epoch_ == seen) __builtin_ia32_pause();
      seen = epoch_;
      if (stop_) return;
      work_(worker);
      ++done_;
    }
  }
  std::vector<std::thread> threads_;
  std::function<void(int)> work_;
  std::atomic<int64_t> next_{0};
  std::atomic<int> epoch_{0}, done_{0};
  std::atomic<bool> stop_{false};
};

}  // namespace layerwise::cpu
