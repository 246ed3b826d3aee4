#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "backends/opencl/device.h"
#include "backends/opencl/nvidia/merged_launch.h"
#include "backends/opencl/step.h"
#include "engine/backend.h"

namespace layerwise::opencl {

/// Runs bound steps on an in-order queue of its own: inputs up, launches, outputs down, one wait at
/// the end.
class ClExecutor final : public Executor {
 public:
  /// `merge`: runs launches as one (nvidia/merged_launch.h), unless a profiler or a listener wants
  /// to see each.
  ClExecutor(const Device& device, std::shared_ptr<ThreadPool> pool,
             std::optional<MergeOptions> merge = std::nullopt);
  ~ClExecutor() override;

  void prepare(std::span<const BoundStep> steps, const WorkingMemory& memory,
               std::span<const IoBuffer> io) override;
  void run(std::span<const BoundStep> steps, std::span<void* const> io, Profiler* profiler,
           const std::function<void(std::string_view, const TensorView&)>& listener) override;
  void enqueue(std::span<const BoundStep> steps, std::span<const IoMemory> io, void* queue,
               void** event) override;
  /// What the kernels take by the device's own clock, and what it takes to start them.
  double timedRun(std::span<const BoundStep> steps) override;
  void coolCaches() override;
  std::size_t memoryBytes() const override;
  /// How many merged ones there are.
  std::size_t mergedLaunches() const { return merged_.size(); }

 private:
  /// A launch with a kernel object of this executor's own, its arguments set.
  struct Bound {
    cl::Kernel kernel;
    const Launch* launch;
    /// The merged launch that it is in and whether it is the first there; -1: none.
    int merged = -1;
    bool isFirst = false;
  };
  struct Merged {
    cl::Kernel kernel;
    std::size_t groups, threads;
  };
  struct Memory {
    cl::Buffer buffer;
    std::size_t bytes = 0;
  };

  void grow(Memory& memory, std::size_t bytes, std::string_view purpose);
  void setArguments(cl::Kernel& kernel, const Launch& launch, std::size_t step);
  void setBuffer(cl::Kernel& kernel, cl_uint index, const Argument::Value& content);
  void mergeSteps(std::span<const BoundStep> steps);
  void bindMerged(const MergedLaunch& launch);
  const cl::Buffer& bufferOf(int number) const;
  void bindIo(std::span<const IoMemory> io);
  cl::Buffer ownOrGiven(std::size_t index, const IoMemory& memory);
  cl::CommandQueue& profilingQueue();
  void runSteps(std::span<const BoundStep> steps, std::span<const IoMemory> io, Profiler* profiler,
                const std::function<void(std::string_view, const TensorView&)>& listener,
                cl::CommandQueue& queue);
  /// Calls f; what it throws is rethrown after all that the queue holds is done.
  template <class F>
  void guardQueue(cl::CommandQueue& queue, F&& f);
  void enqueueInputs(std::span<const IoMemory> io, cl::CommandQueue& queue);
  void enqueueLaunch(const Bound& bound, const BoundStep& step, cl::CommandQueue& queue,
                     cl::Event* event);
  /// All of a step; `events`: of each launch, separately.
  void enqueueStep(std::size_t number, const BoundStep& step, bool separately,
                   cl::CommandQueue& queue, std::vector<cl::Event>* events);
  void enqueueMerged(const Merged& merged, cl::CommandQueue& queue);
  void enqueueOutputs(std::span<const IoMemory> io, cl::CommandQueue& queue);
  void checkFailures(std::span<const BoundStep> steps, cl::CommandQueue& queue);
  void runOnHost(const HostStep& step, cl::CommandQueue& queue);
  void resetFailures(cl::CommandQueue& queue);

  const Device& device_;
  std::shared_ptr<ThreadPool> pool_;
  cl::CommandQueue queue_;
  std::unique_ptr<cl::CommandQueue> profilingQueue_;  ///< made for the first profiler
  Memory arena_, workspace_, failures_, counters_, barrier_, polluter_;
  /// An argument of a kernel that is an input's or an output's buffer.
  struct IoUse {
    cl::Kernel kernel;
    cl_uint argument;
  };
  /// Buffers 1...: what each is, its memory here where the caller's is the host's, which buffer it
  /// is now, and who uses it.
  struct Io {
    IoBuffer info;
    Memory own;
    cl::Buffer bound;
    std::vector<IoUse> uses;
  };
  std::vector<Io> io_;
  std::vector<std::vector<Bound>> bound_;  ///< by step
  std::optional<MergeOptions> merge_;
  std::vector<Merged> merged_;
  std::vector<cl_int> reasons_;  ///< why a step failed, by step; empty where none may
  std::string subject_;
};

}  // namespace layerwise::opencl
