#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/packed_blob.h"
#include "engine/tactic.h"
#include "layerwise/device_peak.h"
#include "layerwise/engine.h"
#include "layerwise/thread_pool.h"

namespace layerwise {

class ThreadPool;

/// A step of a bound program, in order of execution.
struct BoundStep {
  std::shared_ptr<const Step> step;
  std::string layers;  ///< the names of the layers it covers
  std::string tactic;
  DataType type = DataType::kFloat32;  ///< of the elements that it multiplies or moves
  double flops = 0;
  double bytes = 0;
  /// The lane that it is in. Consecutive steps in lanes 0, 1... may run lane by lane, in any order
  /// and side by side; a lane of a lower number than the one before begins anew, after all others.
  int lane = kNoLane;
  static constexpr int kNoLane = -1;
  std::vector<std::pair<std::string, BufferView>> outputs;  ///< for a tensor listener

  /// What a profiler hears of it.
  Profiler::Step timed(double seconds) const {
    return {layers, tactic, type, seconds, flops, bytes};
  }
};

/// An input's or an output's memory, row-major without gaps.
struct IoBuffer {
  std::size_t bytes = 0;
  bool written = false;  ///< by the caller, before a run: an input
  bool read = false;     ///< by the caller, after it: an output
};

/// Where an input or an output is: in the host's memory, or in an object of the device's own.
struct IoMemory {
  void* host = nullptr;
  void* device = nullptr;  ///< a cl_mem
};

/// What the tensors between a program's steps need.
struct WorkingMemory {
  std::size_t arenaBytes = 0;  ///< buffer 0
  /// The buffer after the inputs and outputs: each lane that runs has one of its own.
  std::size_t laneBytes = 0;
};

/// What runs a bound program: one a context.
class Executor {
 public:
  virtual ~Executor() = default;
  /// Memory for a program, and what the steps need beside it. `io` are the buffers from number 1
  /// on.
  virtual void prepare(std::span<const BoundStep> steps, const WorkingMemory& memory,
                       std::span<const IoBuffer> io) = 0;
  /// `io`: host memory by buffer number from 1 on.
  virtual void run(std::span<const BoundStep> steps, std::span<void* const> io, Profiler* profiler,
                   const std::function<void(std::string_view, const TensorView&)>& listener) = 0;
  /// The same with inputs and outputs in either place, on the caller's queue (a cl_command_queue;
  /// nullptr: the executor's own, and the run is over when the call returns). `event`: where not
  /// null, gets what completes with the run. Throws Error kUnsupported on devices without queues.
  virtual void enqueue(std::span<const BoundStep> steps, std::span<const IoMemory> io, void* queue,
                       void** event);
  /// Runs steps that need no input and returns the seconds they take for tuning to compare: without
  /// the time that other programs took from the workers, where the device can tell.
  virtual double timedRun(std::span<const BoundStep> steps);
  /// Fills buffer 0 with numbers as tensors have them, whatever their type: what memory happens to
  /// hold may be denormal numbers, by which arithmetic can take many times as long.
  virtual void fillForTiming() {}
  /// Pushes weights and activations out of the private caches, as a whole network does between two
  /// runs of a layer.
  virtual void coolCaches() = 0;
  virtual std::size_t memoryBytes() const = 0;
};

/// A device: its tactics and how their steps are run.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string name() const = 0;
  /// Whatever tuned choices depend on: instruction set, caches, kernel-set version.
  virtual std::string signature() const = 0;
  virtual int defaultThreads() const = 0;
  virtual std::vector<const Tactic*> tactics() const = 0;
  /// Copies between layouts and types.
  virtual std::unique_ptr<Step> bindReformat(const BufferView& from, const BufferView& to,
                                             int workers) const = 0;
  virtual double reformatSeconds(const TensorInfo& info, const Layout& from, const Layout& to,
                                 int workers) const = 0;
  /// The size of the memory near a worker, in which the tensors of a lane should stay; 0: the
  /// backend runs no lanes.
  virtual std::size_t nearBytes() const { return 0; }
  /// `mode`: one of runModes(); for any other the usual one.
  virtual std::unique_ptr<Executor> createExecutor(std::shared_ptr<ThreadPool> pool,
                                                   std::string_view mode) const = 0;
  std::unique_ptr<Executor> createExecutor(std::shared_ptr<ThreadPool> pool) const {
    return createExecutor(std::move(pool), {});
  }
  /// Other ways to run a whole program that may be faster, which timing decides
  /// (engine/run_mode.h). Results are the same bits.
  virtual std::vector<std::string> runModes(std::span<const BoundStep>) const { return {}; }
  /// Whether there are any.
  virtual bool hasRunModes() const { return false; }
  /// Makes what the mode needs to run these steps, so that preparing them takes no time; an
  /// executor may run other steps in the usual way. False where there is no such mode.
  virtual bool prepareMode(std::span<const BoundStep>, std::string_view) const { return false; }
  /// Whether it compiles code that a plan may keep; where not, the next two do nothing.
  virtual bool keepsCode() const { return false; }
  /// The code that these steps need, and what it takes to know the device's tactics.
  virtual std::vector<PackedBlob> compiledCode(std::span<const BoundStep>) const { return {}; }
  /// Offers what compiledCode() gave once, perhaps on another machine, or what a damaged file made
  /// of it: what does not fit is not used. Most useful before tactics() is first called.
  virtual void takeCode(std::span<const PackedBlob>) const {}
  /// Zeros where the backend cannot tell.
  virtual DevicePeak measurePeak(int) const { return {}; }
  /// Whether a layer runs faster in 8 bits where no pair of its weights saturates
  /// (layers/byte_pairs.h).
  virtual bool favoursFittingPairs(const Node&) const { return false; }
  /// Whether a detector's heads stay out of 8 bits (quantization/float_heads.h): not where that
  /// takes much of its time.
  virtual bool keepsHeadsFloat() const { return false; }
};

/// The backend of a device name, "cpu" for one; throws Error kDevice saying what there is.
const Backend& findBackend(std::string_view device);

}  // namespace layerwise
