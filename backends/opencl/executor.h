#pragma once

#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backends/opencl/device.h"
#include "backends/opencl/step.h"
#include "engine/backend.h"

namespace layerwise::opencl {

/// Runs bound steps on an in-order queue of its own: inputs up, launches, outputs down, one wait at
/// the end.
class ClExecutor final : public Executor {
 public:
  ClExecutor(const Device& device, std::shared_ptr<ThreadPool> pool);
  ~ClExecutor() override;

  void prepare(std::span<const BoundStep> steps, std::size_t arenaBytes,
               std::span<const IoBuffer> io) override;
  void run(std::span<const BoundStep> steps, std::span<void* const> io, Profiler* profiler,
           const std::function<void(std::string_view, const TensorView&)>& listener) override;
  void coolCaches() override;
  std::size_t memoryBytes() const override;

 private:
  /// A launch with a kernel object of this executor's own, its arguments set.
  struct Bound {
    cl::Kernel kernel;
    const Launch* launch;
  };
  struct Memory {
    cl::Buffer buffer;
    std::size_t bytes = 0;
  };

  void grow(Memory& memory, std::size_t bytes, std::string_view purpose);
  void setArguments(cl::Kernel& kernel, const Launch& launch, std::size_t step) const;
  const cl::Buffer& bufferOf(int number) const;
  void runSteps(std::span<const BoundStep> steps, std::span<void* const> io, Profiler* profiler,
                const std::function<void(std::string_view, const TensorView&)>& listener,
                cl::CommandQueue& queue);
  void runOnHost(const HostStep& step, cl::CommandQueue& queue);
  void resetFailures(cl::CommandQueue& queue);
  [[noreturn]] static void reportFailure(std::span<const BoundStep> steps,
                                         const std::vector<cl_int>& reasons);

  const Device& device_;
  std::shared_ptr<ThreadPool> pool_;
  cl::CommandQueue queue_;
  std::unique_ptr<cl::CommandQueue> profilingQueue_;  ///< made for the first profiler
  Memory arena_, workspace_, failures_, counters_, polluter_;
  std::vector<Memory> io_;  ///< buffers 1...
  std::vector<IoBuffer> ioInfo_;
  std::vector<std::vector<Bound>> bound_;  ///< by step
  std::vector<cl_int> reasons_;            ///< why a step failed, by step; empty where none may
  std::string subject_;
};

}  // namespace layerwise::opencl
