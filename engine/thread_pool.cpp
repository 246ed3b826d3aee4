#include "layerwise/thread_pool.h"

#include <fmt/format.h>
#include <sched.h>

#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/spin.h"
#include "layerwise/error.h"

namespace layerwise {
namespace {

constexpr int kMaxThreads = 1024;

int availableCores() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return CPU_COUNT(&set);
  unsigned count = std::thread::hardware_concurrency();
  return count ? static_cast<int>(count) : 1;
}

}  // namespace

struct ThreadPool::Impl {
  std::mutex turn;  ///< one job at a time
  std::vector<std::thread> threads;
  alignas(64) std::atomic<std::uint32_t> generation{0};
  alignas(64) std::atomic<std::uint32_t> running{0};
  const std::function<void(int)>* job = nullptr;
  bool stop = false;
  std::mutex errorMutex;
  std::exception_ptr error;

  void call(int worker) {
    try {
      (*job)(worker);
    } catch (...) {
      std::lock_guard lock(errorMutex);
      if (!error) error = std::current_exception();
    }
  }

  void work(int worker) {
    std::uint32_t seen = 0;
    for (;;) {
      spinThenWaitWhileEqual(generation, seen);
      ++seen;
      if (stop) return;
      call(worker);
      if (running.fetch_sub(1, std::memory_order_acq_rel) == 1) running.notify_one();
    }
  }
};

ThreadPool::ThreadPool(int threads) : impl_(std::make_unique<Impl>()) {
  if (threads < 0 || threads > kMaxThreads)
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("[threads] {} is outside 0...{}", threads, kMaxThreads));
  if (threads == 0) threads = availableCores();
  for (int worker = 1; worker < threads; ++worker)
    impl_->threads.emplace_back([this, worker] { impl_->work(worker); });
}

ThreadPool::~ThreadPool() {
  impl_->stop = true;
  impl_->generation.fetch_add(1, std::memory_order_acq_rel);
  impl_->generation.notify_all();
  for (std::thread& thread : impl_->threads) thread.join();
}

int ThreadPool::size() const {
  return static_cast<int>(impl_->threads.size()) + 1;
}

void ThreadPool::run(const std::function<void(int)>& job) {
  std::lock_guard lock(impl_->turn);
  impl_->job = &job;
  impl_->error = nullptr;
  auto others = static_cast<std::uint32_t>(impl_->threads.size());
  impl_->running.store(others, std::memory_order_relaxed);
  if (others) {
    impl_->generation.fetch_add(1, std::memory_order_acq_rel);
    impl_->generation.notify_all();
  }
  impl_->call(0);
  for (std::uint32_t left = impl_->running.load(std::memory_order_acquire); left;
       left = impl_->running.load(std::memory_order_acquire))
    spinThenWaitWhileEqual(impl_->running, left);
  if (impl_->error) std::rethrow_exception(impl_->error);
}

}  // namespace layerwise
