#include "backends/cpu/executor.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <mutex>
#include <new>
#include <numeric>

#include "backends/cpu/processor_time.h"
#include "backends/cpu/weight_memory.h"
#include "engine/spin.h"
#include "layerwise/error.h"

namespace layerwise::cpu {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kOverrun = 64;
constexpr std::size_t kCacheBytes = 4 << 20;  // more than any private cache

const CpuStep& cpuStep(const BoundStep& bound) {
  return static_cast<const CpuStep&>(*bound.step);
}

/// Counts further, and wakes who waits for the whole.
void add(std::atomic<std::uint32_t>& count, std::uint32_t more, std::uint32_t whole) {
  if (count.fetch_add(more, std::memory_order_acq_rel) + more == whole) count.notify_all();
}

void waitFor(const std::atomic<std::uint32_t>& count, std::uint32_t whole) {
  for (std::uint32_t now = count.load(std::memory_order_acquire); now < whole;
       now = count.load(std::memory_order_acquire))
    spinThenWaitWhileEqual(count, now);
}

}  // namespace

void AlignedBuffer::Free::operator()(std::byte* memory) const {
  std::free(memory);
}

AlignedBuffer::AlignedBuffer(std::size_t bytes) : size_(bytes) {
  if (!bytes) return;
  // Large memory in large pages where the system has them: each page is a fault when it is first
  // written, and a walk of the page table whenever weights are streamed.
  constexpr std::size_t kLargePage = 2 << 20;
  const bool large = bytes >= 2 * kLargePage;
  const std::size_t alignment = large ? kLargePage : kAlignment;
  const std::size_t rounded = (bytes + kOverrun + alignment - 1) / alignment * alignment;
  if (rounded > bytes)
    memory_.reset(static_cast<std::byte*>(std::aligned_alloc(alignment, rounded)));
  if (!memory_)
    throw Error(ErrorCode::kOutOfMemory,
                fmt::format("[cpu] {} bytes of memory were refused", bytes));
  // Only what is used, lest the rest of the last page becomes memory, too.
  if (large) madvise(memory_.get(), bytes / kLargePage * kLargePage, MADV_HUGEPAGE);
}

void CpuExecutor::prepare(std::span<const BoundStep> steps, std::size_t arenaBytes,
                          std::span<const IoBuffer>) {
  WeightMemory::trim();
  std::size_t workspace = 0, scratch = 0, phases = 0;
  for (const BoundStep& step : steps) {
    workspace = std::max(workspace, cpuStep(step).workspaceBytes());
    scratch = std::max(scratch, cpuStep(step).scratchBytes());
    phases += static_cast<std::size_t>(cpuStep(step).phases());
  }
  if (arena_.size() < arenaBytes) arena_ = AlignedBuffer(arenaBytes);
  if (workspace_.size() < workspace) workspace_ = AlignedBuffer(workspace);
  scratch_.resize(static_cast<std::size_t>(pool_->size()));
  for (AlignedBuffer& buffer : scratch_)
    if (buffer.size() < scratch) buffer = AlignedBuffer(scratch);
  if (progress_.size() < phases) progress_ = std::vector<Progress>(phases);
  const std::size_t shares = phases * static_cast<std::size_t>(pool_->size());
  if (claims_.size() < shares) claims_ = std::vector<Claims>(shares);
}

std::size_t CpuExecutor::memoryBytes() const {
  std::size_t bytes = arena_.size() + workspace_.size();
  for (const AlignedBuffer& buffer : scratch_) bytes += buffer.size();
  return bytes;
}

void CpuExecutor::coolCaches() {
  auto workers = static_cast<std::size_t>(pool_->size());
  if (polluter_.size() < kCacheBytes * workers) polluter_ = AlignedBuffer(kCacheBytes * workers);
  pool_->run([&](int worker) {
    std::memset(polluter_.data() + kCacheBytes * static_cast<std::size_t>(worker), worker,
                kCacheBytes);
  });
}

void CpuExecutor::run(std::span<const BoundStep> steps, std::span<void* const> io,
                      Profiler* profiler,
                      const std::function<void(std::string_view, const TensorView&)>& listener) {
  runSteps(steps, io, profiler, listener, nullptr);
}

double CpuExecutor::timedRun(std::span<const BoundStep> steps) {
  std::vector<double> busy(static_cast<std::size_t>(pool_->size()), 0.0);
  runSteps(steps, {}, nullptr, {}, &busy);
  return std::accumulate(busy.begin(), busy.end(), 0.0);
}

void CpuExecutor::runSteps(std::span<const BoundStep> steps, std::span<void* const> io,
                           Profiler* profiler,
                           const std::function<void(std::string_view, const TensorView&)>& listener,
                           std::vector<double>* busy) {
  std::vector<std::byte*> buffers{arena_.data()};
  for (void* pointer : io) buffers.push_back(static_cast<std::byte*>(pointer));
  for (Progress& phase : progress_) phase.done.store(0, std::memory_order_relaxed);
  for (Claims& share : claims_) share.count.store(0, std::memory_order_relaxed);

  std::atomic<std::uint32_t> reported{0};
  std::atomic<bool> failed{false};
  std::mutex errorMutex;
  std::exception_ptr error;
  auto guard = [&](auto&& work) {
    if (failed.load(std::memory_order_relaxed)) return;
    try {
      work();
    } catch (...) {
      std::lock_guard lock(errorMutex);
      if (!error) error = std::current_exception();
      failed = true;
    }
  };

  const int workers = pool_->size();
  pool_->runShared([&](int id) {
    Worker worker{buffers, scratch_[static_cast<std::size_t>(id)].data(), workspace_.data()};
    std::size_t phaseNumber = 0;
    std::uint32_t number = 0;
    auto last = std::chrono::steady_clock::now();
    for (const BoundStep& bound : steps) {
      const CpuStep& step = cpuStep(bound);
      ++number;
      for (int phase = 0; phase < step.phases(); ++phase) {
        std::int64_t tiles = step.tiles(phase);
        Progress& progress = progress_[phaseNumber];
        Claims* shares = claims_.data() + phaseNumber++ * static_cast<std::size_t>(workers);
        if (progress.done.load(std::memory_order_acquire) == static_cast<std::uint32_t>(tiles))
          continue;
        double begin = busy ? processorSeconds() : 0;
        std::uint32_t mine = 0;
        auto firstOf = [&](int share) { return (share * tiles + workers - 1) / workers; };
        for (int i = 0; i < workers; ++i) {
          int owner = (id + i) % workers;
          std::int64_t first = firstOf(owner), count = firstOf(owner + 1) - first;
          std::atomic<std::int64_t>& claimed = shares[owner].count;
          if (claimed.load(std::memory_order_relaxed) >= count) continue;
          for (std::int64_t next = claimed.fetch_add(1, std::memory_order_relaxed); next < count;
               next = claimed.fetch_add(1, std::memory_order_relaxed)) {
            guard([&] { step.run(phase, first + next, worker); });
            ++mine;
          }
        }
        if (busy)
          (*busy)[static_cast<std::size_t>(id)] +=
              (processorSeconds() - begin) /
              static_cast<double>(std::min<std::int64_t>(tiles, pool_->size()));
        if (mine) add(progress.done, mine, static_cast<std::uint32_t>(tiles));
        waitFor(progress.done, static_cast<std::uint32_t>(tiles));
      }
      if (!profiler && !listener) continue;
      if (id == 0) {
        guard([&] {
          auto now = std::chrono::steady_clock::now();
          if (profiler)
            profiler->report(bound.timed(std::chrono::duration<double>(now - last).count()));
          if (listener)
            for (const auto& [name, view] : bound.outputs)
              listener(name, {view.type, view.dims, view.strides, worker.data<void>(view)});
        });
        last = std::chrono::steady_clock::now();
        add(reported, 1, number);
      }
      // Nobody starts the next step before its time is taken.
      waitFor(reported, number);
    }
  });
  if (error) std::rethrow_exception(error);
}

}  // namespace layerwise::cpu
