#include "layerwise/thread_pool.h"

#include <fmt/format.h>
#include <sched.h>

#include <atomic>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>

#include "engine/spin.h"
#include "engine/worker_thread.h"
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
  // The gate of the present job: its number, whether it is closed, and how many workers are inside.
  static constexpr int kNumberShift = 32;
  static constexpr std::uint64_t kClosed = std::uint64_t{1} << 31, kInside = kClosed - 1;

  std::mutex turn;  ///< one job at a time
  std::deque<WorkerThread> threads;
  alignas(64) std::atomic<std::uint32_t> number{0};  ///< of the latest job: what workers wait for
  alignas(64) std::atomic<std::uint64_t> gate{kClosed};
  alignas(64) std::atomic<std::uint32_t> departures{0};  ///< what the caller waits for
  std::atomic<std::uint32_t> finished{0};                ///< workers that have run the present job
  const std::function<void(int)>* job = nullptr;
  std::atomic<bool> stop{false};  ///< read by workers that wake late, after their job has ended
  std::mutex errorMutex;
  std::exception_ptr error;

  ~Impl() {
    stop.store(true, std::memory_order_relaxed);
    wake();
    threads.clear();
  }

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
      spinThenWaitWhileEqual(number, seen);
      seen = number.load(std::memory_order_acquire);
      if (stop.load(std::memory_order_relaxed)) return;
      if (!enter(seen)) continue;
      call(worker);
      finished.fetch_add(1, std::memory_order_relaxed);
      gate.fetch_sub(1, std::memory_order_acq_rel);
      departures.fetch_add(1, std::memory_order_acq_rel);
      departures.notify_one();
    }
  }

  bool enter(std::uint32_t wanted) {
    std::uint64_t now = gate.load(std::memory_order_acquire);
    while (now >> kNumberShift == wanted && !(now & kClosed))
      if (gate.compare_exchange_weak(now, now + 1, std::memory_order_acq_rel)) return true;
    return false;
  }

  void wake() {
    number.fetch_add(1, std::memory_order_acq_rel);
    number.notify_all();
  }

  /// Waits until `done` holds; workers that leave make it hold.
  template <class Condition>
  void wait(const Condition& done) {
    for (;;) {
      std::uint32_t before = departures.load(std::memory_order_acquire);
      if (done()) return;
      spinThenWaitWhileEqual(departures, before);
    }
  }

  void run(const std::function<void(int)>& work, bool everybody) {
    std::lock_guard lock(turn);
    job = &work;
    error = nullptr;
    finished.store(0, std::memory_order_relaxed);
    if (!threads.empty()) {
      std::uint64_t next = number.load(std::memory_order_relaxed) + 1;
      gate.store((next & 0xffffffff) << kNumberShift, std::memory_order_release);
      wake();
    }
    call(0);
    if (everybody) wait([&] { return finished.load(std::memory_order_acquire) == threads.size(); });
    gate.fetch_or(kClosed, std::memory_order_acq_rel);
    wait([&] { return (gate.load(std::memory_order_acquire) & kInside) == 0; });
    if (error) std::rethrow_exception(error);
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

ThreadPool::~ThreadPool() = default;

int ThreadPool::size() const {
  return static_cast<int>(impl_->threads.size()) + 1;
}

void ThreadPool::run(const std::function<void(int)>& job) {
  impl_->run(job, true);
}

void ThreadPool::runShared(const std::function<void(int)>& job) {
  impl_->run(job, false);
}

}  // namespace layerwise
