#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "layerwise/dims.h"
#include "layerwise/export.h"
#include "layerwise/logger.h"
#include "layerwise/plugin.h"
#include "layerwise/thread_pool.h"

namespace layerwise {

class ExecutionContext;

/// The shapes one input may take: every dimension between min and max; tuned for opt.
struct ShapeRange {
  Dims min;
  Dims opt;
  Dims max;
};

/// What an engine's user must know of an input or output.
struct IoInfo {
  std::string name;
  DataType type = DataType::kFloat32;
  Dims dims;                ///< -1 where the profile leaves it open
  ShapeRange range;         ///< inputs: of the profile; outputs: what follows from it
  bool hasDefault = false;  ///< an input that need not be set: a value stands in for it
};

/// How an engine is brought onto a device.
struct LoadOptions {
  std::string device = "cpu";  ///< as in BuilderConfig
  int threads = 0;             ///< tactics are chosen for this many workers; 0: one a core
  Logger logger;
};

/// How a context runs.
struct ContextOptions {
  int threads = 0;                   ///< ignored where `pool` is given; 0: as the engine was loaded
  std::shared_ptr<ThreadPool> pool;  ///< shared with other contexts
};

/// A network optimised for a device: immutable, shared by any number of contexts and threads.
class LAYERWISE_API Engine : public std::enable_shared_from_this<Engine> {
 public:
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// Maps a plan file. A plan built for another device or processor loads too: it is tuned again,
  /// and the logger is told. Throws Error kBadFile for a damaged, truncated or foreign file.
  static std::shared_ptr<const Engine> load(const std::string& path,
                                            const LoadOptions& options = {});
  /// The same from memory; the bytes are copied.
  static std::shared_ptr<const Engine> deserialize(std::span<const std::byte> plan,
                                                   const LoadOptions& options = {});
  /// Writes the plan file through a temporary name. Throws Error kIo.
  void save(const std::string& path) const;
  /// The plan file's bytes.
  std::vector<std::byte> serialize() const;

  const std::string& name() const;  ///< the network's
  /// Inputs and outputs in the order in which the network declared them.
  const std::vector<IoInfo>& inputs() const;
  const std::vector<IoInfo>& outputs() const;
  /// Class names, task, preprocessing...: what the network's author put in (docs/networks.md lists
  /// the keys).
  const std::map<std::string, std::string>& metadata() const;

  /// The layers, fusions, tactics, layouts, reformats and memory; as a table or as JSON.
  std::string inspect(bool json = false) const;

  std::unique_ptr<ExecutionContext> createContext(const ContextOptions& options = {}) const;

  struct State;
  explicit Engine(std::unique_ptr<State> state);
  const State& state() const { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

/// Is told the time of every step of a run.
class LAYERWISE_API Profiler {
 public:
  /// One step of a run.
  struct Step {
    std::string_view layers;  ///< the names of those it covers, joined by " + "
    std::string_view tactic;
    DataType type = DataType::kFloat32;  ///< of the elements that it multiplies or moves
    double seconds = 0;
    double flops = 0, bytes = 0;  ///< what it computes and moves
  };
  virtual ~Profiler() = default;
  virtual void report(const Step& step) = 0;
};

/// One stream of inferences: an arena and the bindings of inputs and outputs. Cheap; use one a
/// thread.
class LAYERWISE_API ExecutionContext {
 public:
  ~ExecutionContext();
  ExecutionContext(const ExecutionContext&) = delete;
  ExecutionContext& operator=(const ExecutionContext&) = delete;

  const Engine& engine() const;

  /// Binds an input: row-major data of the engine's type and this shape. The memory stays the
  /// caller's; every run() reads it. Throws Error for a name that is no input, and where the shape
  /// is outside the profile, with both numbers.
  void setInput(std::string_view name, const void* data, const Dims& dims);
  /// Binds an output's memory, row-major, in the engine's type, with room for outputDims(name),
  /// which is to be asked for after the inputs are set. Throws Error for a name that is no output.
  void setOutput(std::string_view name, void* data);
  /// Inputs and outputs in memory of the device's own, on devices that have it: for OpenCL see
  /// opencl.h, which gives `memory` its type. It must live until the run is over. setInput and
  /// setOutput go back to the host's memory.
  void setInputMemory(std::string_view name, void* memory, const Dims& dims);
  void setOutputMemory(std::string_view name, void* memory);
  /// The shape that follows from the inputs set now.
  Dims outputDims(std::string_view name) const;

  /// Runs once and returns when all outputs are written. Throws Error for an input that is not set,
  /// a layer that fails, or memory that cannot be had.
  void run();
  /// Enqueues a run on a queue of the caller's and returns; see opencl.h.
  void enqueue(void* queue, void** event = nullptr);

  /// nullptr: none. The profiler costs a clock reading a step.
  void setProfiler(Profiler* profiler);
  /// Is shown every tensor that exists in memory as it is produced (what a fusion keeps in
  /// registers does not exist).
  void setTensorListener(
      std::function<void(std::string_view name, const TensorView& tensor)> listener);

  /// What the tensors inside take, for the shapes that are set now.
  std::size_t arenaBytes() const;

  struct State;
  explicit ExecutionContext(std::unique_ptr<State> state);

 private:
  std::unique_ptr<State> state_;
};

}  // namespace layerwise
