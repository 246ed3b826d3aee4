#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "backends/cpu/step.h"
#include "engine/backend.h"

namespace layerwise::cpu {

/// Memory that the kernels may use: 64-byte aligned, with room behind for readers that overrun.
class AlignedBuffer {
 public:
  explicit AlignedBuffer(std::size_t bytes = 0);
  std::byte* data() const { return memory_.get(); }
  std::size_t size() const { return size_; }

 private:
  struct Free {
    void operator()(std::byte* memory) const;
  };
  std::unique_ptr<std::byte, Free> memory_;
  std::size_t size_ = 0;
};

/// Runs bound steps: the workers go through the list together and claim tiles; a phase begins when
/// all tiles of the one before are done. Each worker begins with its own share, neighbours and the
/// same part of every step, so that it finds in its caches what it wrote there, and then helps the
/// others. Nobody waits for a worker that has claimed none. Lanes they claim whole.
class CpuExecutor final : public Executor {
 public:
  explicit CpuExecutor(std::shared_ptr<ThreadPool> pool) : pool_(std::move(pool)) {}

  void prepare(std::span<const BoundStep> steps, const WorkingMemory& memory,
               std::span<const IoBuffer> io) override;
  void run(std::span<const BoundStep> steps, std::span<void* const> io, Profiler* profiler,
           const std::function<void(std::string_view, const TensorView&)>& listener) override;
  /// The processor time of all workers within their tiles, shared among as many as had some.
  double timedRun(std::span<const BoundStep> steps) override;
  void fillForTiming() override;
  void coolCaches() override;
  std::size_t memoryBytes() const override;

 private:
  class Run;

  /// Consecutive steps that all workers share, or lanes.
  struct Block {
    std::size_t first = 0, end = 0;
    std::vector<std::size_t> lanes;  ///< the first step of each; empty: no lanes
    std::size_t number = 0;          ///< of the first of its phases, or of its lanes' progress
  };

  void findBlocks(std::span<const BoundStep> steps);
  /// Finds for each step that fetches ahead the next one that has weights.
  void lookAhead(std::span<const BoundStep> steps);
  /// What run() does; adds each worker's seconds in its tiles to `busy` where that is given.
  void runSteps(std::span<const BoundStep> steps, std::span<void* const> io, Profiler* profiler,
                const std::function<void(std::string_view, const TensorView&)>& listener,
                std::vector<double>* busy);

  struct alignas(64) Claims {
    std::atomic<std::int64_t> count{0};
  };
  struct alignas(64) Progress {
    std::atomic<std::uint32_t> done{0};
  };

  std::shared_ptr<ThreadPool> pool_;
  AlignedBuffer arena_;
  AlignedBuffer workspace_;
  std::vector<AlignedBuffer> scratch_;  ///< one a worker
  std::vector<AlignedBuffer> lanes_;    ///< likewise: a lane's tensors, then its workspace
  std::size_t laneBytes_ = 0;           ///< of its tensors
  AlignedBuffer polluter_;
  std::vector<Block> blocks_;
  std::vector<WeightsAhead> ahead_;               ///< by step
  std::vector<std::vector<std::byte*>> buffers_;  ///< what each worker sees, by BufferView::buffer
  std::vector<Progress> progress_;  ///< one a phase of the program, and one a block of lanes
  std::vector<Claims> claims_;      ///< of each worker's share of it
};

}  // namespace layerwise::cpu
