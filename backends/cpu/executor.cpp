#include "backends/cpu/executor.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <mutex>
#include <new>
#include <numeric>
#include <random>
#include <utility>

#include "backends/cpu/cache_sizes.h"
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

/// Counts further, and wakes who waits for the whole. Whether it is reached.
bool add(std::atomic<std::uint32_t>& count, std::uint32_t more, std::uint32_t whole) {
  if (count.fetch_add(more, std::memory_order_acq_rel) + more < whole) return false;
  count.notify_all();
  return true;
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

void CpuExecutor::findBlocks(std::span<const BoundStep> steps) {
  blocks_.clear();
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const int lane = steps[i].lane, before = i ? steps[i - 1].lane : BoundStep::kNoLane;
    // Lanes are counted from 0 in each block.
    if (i == 0 || (lane == BoundStep::kNoLane) != (before == BoundStep::kNoLane) || lane < before)
      blocks_.push_back({i, i, {}, 0});
    if (lane != BoundStep::kNoLane && (blocks_.back().lanes.empty() || lane != before))
      blocks_.back().lanes.push_back(i);
    blocks_.back().end = i + 1;
  }
}

void CpuExecutor::lookAhead(std::span<const BoundStep> steps) {
  // What a step reads itself takes most of the cache.
  const auto most = static_cast<std::size_t>(cacheSizes().l2 / 4);
  ahead_.assign(steps.size(), {});
  WeightsAhead* open = nullptr;  // of the last step that fetches and has nothing yet
  for (std::size_t i = 0; i < steps.size(); ++i) {
    WeightsAhead weights = cpuStep(steps[i]).weights();
    if (open && !weights.bytes.empty()) {
      weights.bytes = weights.bytes.first(std::min(weights.bytes.size(), most));
      *std::exchange(open, nullptr) = weights;
    }
    if (cpuStep(steps[i]).fetchesAhead()) open = &ahead_[i];
  }
}

void CpuExecutor::prepare(std::span<const BoundStep> steps, const WorkingMemory& memory,
                          std::span<const IoBuffer>) {
  WeightMemory::trim();
  findBlocks(steps);
  lookAhead(steps);
  std::size_t workspace = 0, laneWorkspace = 0, scratch = 0, phases = 0;
  for (Block& block : blocks_) {
    block.number = phases;
    if (!block.lanes.empty()) ++phases;
    std::size_t& needed = block.lanes.empty() ? workspace : laneWorkspace;
    for (const BoundStep& step : steps.subspan(block.first, block.end - block.first)) {
      needed = std::max(needed, cpuStep(step).workspaceBytes());
      scratch = std::max(scratch, cpuStep(step).scratchBytes());
      if (block.lanes.empty()) phases += static_cast<std::size_t>(cpuStep(step).phases());
    }
  }
  const auto workers = static_cast<std::size_t>(pool_->size());
  if (arena_.size() < memory.arenaBytes) arena_ = AlignedBuffer(memory.arenaBytes);
  if (workspace_.size() < workspace) workspace_ = AlignedBuffer(workspace);
  scratch_.resize(workers);
  for (AlignedBuffer& buffer : scratch_)
    if (buffer.size() < scratch) buffer = AlignedBuffer(scratch);
  laneBytes_ = (memory.laneBytes + kOverrun + kAlignment - 1) / kAlignment * kAlignment;
  lanes_.resize(workers);
  for (AlignedBuffer& buffer : lanes_)
    if (memory.laneBytes + laneWorkspace > 0 && buffer.size() < laneBytes_ + laneWorkspace)
      buffer = AlignedBuffer(laneBytes_ + laneWorkspace);
  if (progress_.size() < phases) progress_ = std::vector<Progress>(phases);
  if (claims_.size() < phases * workers) claims_ = std::vector<Claims>(phases * workers);
  buffers_.resize(workers);
}

std::size_t CpuExecutor::memoryBytes() const {
  std::size_t bytes = arena_.size() + workspace_.size();
  for (const auto* list : {&scratch_, &lanes_})
    for (const AlignedBuffer& buffer : *list) bytes += buffer.size();
  return bytes;
}

void CpuExecutor::fillForTiming() {
  // Words of which both halves, too, are numbers of [0.5, 2) in their floating-point type, and some
  // bytes are any. Some are made and copied: the arena is large, and each candidate has its own.
  std::minstd_rand random;
  std::array<std::uint32_t, 4096> words;
  for (std::uint32_t& word : words)
    word = 0x3f003f00U | (static_cast<std::uint32_t>(random()) & 0xff00ffU);
  for (std::size_t at = 0; at < arena_.size(); at += sizeof words)
    std::memcpy(arena_.data() + at, words.data(), std::min(sizeof words, arena_.size() - at));
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

/// One run, as its workers see it.
class CpuExecutor::Run {
 public:
  Run(CpuExecutor& executor, std::span<const BoundStep> steps, Profiler* profiler,
      const std::function<void(std::string_view, const TensorView&)>& listener,
      std::vector<double>* busy)
      : executor_(executor),
        steps_(steps),
        profiler_(profiler),
        listener_(listener),
        busy_(busy),
        workers_(executor.pool_->size()) {
    if (profiler) laneSeconds_.resize(steps.size());
  }

  void work(int id) {
    const auto own = static_cast<std::size_t>(id);
    Worker worker{executor_.buffers_[own],
                  executor_.scratch_[own].data(),
                  executor_.workspace_.data(),
                  {},
                  workers_};
    std::uint32_t number = 0;
    auto last = std::chrono::steady_clock::now();
    // Nobody starts the next step before its time is taken.
    auto report = [&](auto&& tell) {
      if (!profiler_ && !listener_) return;
      ++number;
      if (id == 0) {
        const auto now = std::chrono::steady_clock::now();
        guard([&] { tell(std::chrono::duration<double>(now - last).count()); });
        last = std::chrono::steady_clock::now();
        add(reported_, 1, number);
      }
      waitFor(reported_, number);
    };
    for (const Block& block : executor_.blocks_) {
      if (!block.lanes.empty()) {
        runLanes(block, id);
        report([&](double seconds) { tellLanes(block, seconds); });
        continue;
      }
      std::size_t phaseNumber = block.number;
      for (std::size_t i = block.first; i < block.end; ++i) {
        const BoundStep& bound = steps_[i];
        worker.ahead = executor_.ahead_[i];
        for (int phase = 0; phase < cpuStep(bound).phases(); ++phase)
          sharePhase(cpuStep(bound), phase, phaseNumber++, id, worker);
        report([&](double seconds) { tell(bound, seconds, worker); });
      }
    }
  }

  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  template <class Work>
  void guard(const Work& work) {
    if (failed_.load(std::memory_order_relaxed)) return;
    try {
      work();
    } catch (...) {
      std::lock_guard lock(errorMutex_);
      if (!error_) error_ = std::current_exception();
      failed_ = true;
    }
  }

  /// Claims tiles of a phase, of the worker's own share first, until all are done. Another core's
  /// line takes as long to come as a small tile to run: none is looked at that need not be.
  void sharePhase(const CpuStep& step, int phase, std::size_t number, int id,
                  const Worker& worker) {
    const std::int64_t tiles = step.tiles(phase);
    Progress& progress = executor_.progress_[number];
    Claims* shares = executor_.claims_.data() + number * static_cast<std::size_t>(workers_);
    if (number + 1 < executor_.progress_.size()) __builtin_prefetch(shares + workers_ + id, 1);
    const double begin = busy_ ? processorSeconds() : 0;
    bool allDone = false;
    auto firstOf = [&](int share) { return (share * tiles + workers_ - 1) / workers_; };
    for (int i = 0; i < workers_ && !allDone; ++i) {
      const int owner = (id + i) % workers_;
      const std::int64_t first = firstOf(owner), count = firstOf(owner + 1) - first;
      std::atomic<std::int64_t>& claimed = shares[owner].count;
      if (i > 0 && claimed.load(std::memory_order_relaxed) >= count) continue;
      std::uint32_t mine = 0;
      for (std::int64_t next = claimed.fetch_add(1, std::memory_order_relaxed); next < count;
           next = claimed.fetch_add(1, std::memory_order_relaxed)) {
        guard([&] { step.run(phase, first + next, worker); });
        ++mine;
      }
      if (mine) allDone = add(progress.done, mine, static_cast<std::uint32_t>(tiles));
    }
    if (busy_)
      (*busy_)[static_cast<std::size_t>(id)] +=
          (processorSeconds() - begin) /
          static_cast<double>(std::min<std::int64_t>(tiles, workers_));
    if (!allDone) waitFor(progress.done, static_cast<std::uint32_t>(tiles));
  }

  /// Claims lanes, whole, until all are done.
  void runLanes(const Block& block, int id) {
    const auto own = static_cast<std::size_t>(id);
    const Worker worker{executor_.buffers_[own], executor_.scratch_[own].data(),
                        executor_.lanes_[own].data() + executor_.laneBytes_};
    const auto count = static_cast<std::int64_t>(block.lanes.size());
    Progress& progress = executor_.progress_[block.number];
    std::atomic<std::int64_t>& claimed =
        executor_.claims_[block.number * static_cast<std::size_t>(workers_)].count;
    std::uint32_t mine = 0;
    for (std::int64_t lane = claimed.fetch_add(1, std::memory_order_relaxed); lane < count;
         lane = claimed.fetch_add(1, std::memory_order_relaxed)) {
      const auto at = static_cast<std::size_t>(lane);
      const std::size_t end = lane + 1 < count ? block.lanes[at + 1] : block.end;
      for (std::size_t i = block.lanes[at]; i < end; ++i) guard([&] { runWhole(i, worker); });
      ++mine;
    }
    if (mine) add(progress.done, mine, static_cast<std::uint32_t>(count));
    waitFor(progress.done, static_cast<std::uint32_t>(count));
  }

  void runWhole(std::size_t index, const Worker& worker) {
    const CpuStep& step = cpuStep(steps_[index]);
    const auto begin = std::chrono::steady_clock::now();
    for (int phase = 0; phase < step.phases(); ++phase)
      for (std::int64_t tile = 0; tile < step.tiles(phase); ++tile) step.run(phase, tile, worker);
    if (profiler_)
      laneSeconds_[index] =
          std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }

  void tell(const BoundStep& bound, double seconds, const Worker& worker) {
    if (profiler_) profiler_->report(bound.timed(seconds));
    if (listener_)
      for (const auto& [name, view] : bound.outputs)
        listener_(name, {view.type, view.dims, view.strides, worker.data<void>(view)});
  }

  /// Lanes ran side by side: their steps' times are shares of the block's.
  void tellLanes(const Block& block, double seconds) {
    if (!profiler_) return;
    double sum = 0;
    for (std::size_t i = block.first; i < block.end; ++i) sum += laneSeconds_[i];
    for (std::size_t i = block.first; i < block.end; ++i)
      profiler_->report(steps_[i].timed(seconds * laneSeconds_[i] / std::max(sum, 1e-12)));
  }

  CpuExecutor& executor_;
  std::span<const BoundStep> steps_;
  Profiler* profiler_;
  const std::function<void(std::string_view, const TensorView&)>& listener_;
  std::vector<double>* busy_;
  const int workers_;
  std::vector<double> laneSeconds_;  ///< by step
  std::atomic<std::uint32_t> reported_{0};
  std::atomic<bool> failed_{false};
  std::mutex errorMutex_;
  std::exception_ptr error_;
};

void CpuExecutor::runSteps(std::span<const BoundStep> steps, std::span<void* const> io,
                           Profiler* profiler,
                           const std::function<void(std::string_view, const TensorView&)>& listener,
                           std::vector<double>* busy) {
  for (std::size_t id = 0; id < buffers_.size(); ++id) {
    std::vector<std::byte*>& buffers = buffers_[id];
    buffers.assign({arena_.data()});
    for (void* pointer : io) buffers.push_back(static_cast<std::byte*>(pointer));
    buffers.push_back(lanes_[id].data());
  }
  for (Progress& phase : progress_) phase.done.store(0, std::memory_order_relaxed);
  for (Claims& share : claims_) share.count.store(0, std::memory_order_relaxed);
  Run run(*this, steps, profiler, listener, busy);
  pool_->runShared([&](int id) { run.work(id); });
  run.rethrow();
}

}  // namespace layerwise::cpu
