#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "backends/opencl/cl.h"
#include "backends/opencl/program_cache.h"
#include "engine/tactic.h"
#include "layerwise/plugin.h"

namespace layerwise {
class ThreadPool;
}

namespace layerwise::opencl {

/// What one parameter of a kernel, or two of them, are set to.
class Argument {
 public:
  struct Workspace {
    std::size_t byteOffset;
    std::size_t elementSize;
  };
  struct Local {
    std::size_t bytes;
  };
  struct Failure {};
  struct Counters {
    std::size_t count;
  };
  using Bytes = std::vector<std::byte>;
  using Value = std::variant<BufferView, cl::Buffer, Workspace, Local, Failure, Counters, Bytes>;

  /// Two parameters: `global T* base, ulong offset`, the offset in elements.
  static Argument view(const BufferView& view) { return Argument(view); }
  /// Device memory of the step's own: packed weights, tables.
  static Argument memory(cl::Buffer buffer) { return Argument(std::move(buffer)); }
  /// Two parameters, as for a view: memory of ClStep::workspaceBytes, which the next step reuses.
  static Argument workspace(std::size_t byteOffset, std::size_t elementSize) {
    return Argument(Workspace{byteOffset, elementSize});
  }
  static Argument local(std::size_t bytes) { return Argument(Local{bytes}); }
  /// Two parameters, `global int* failures, ulong offset`: an int of the step's own, 0 before the
  /// run. A kernel that meets what it cannot do writes a reason there, anything but 0.
  static Argument failure() { return Argument(Failure{}); }
  /// One parameter, `global int* counters`: ints that are 0 before every launch, for which each
  /// kernel that counts there makes them so again.
  static Argument counters(std::int64_t count) {
    return Argument(Counters{static_cast<std::size_t>(count)});
  }
  /// A number, or a struct of them, by value.
  template <class T>
  static Argument value(const T& number) {
    static_assert(std::is_trivially_copyable_v<T>);
    Bytes bytes(sizeof number);
    std::memcpy(bytes.data(), &number, sizeof number);
    return Argument(std::move(bytes));
  }
  static Argument integer(std::int64_t number) { return value(static_cast<cl_int>(number)); }
  static Argument real(double number) { return value(static_cast<cl_float>(number)); }

  const Value& content() const { return value_; }
  /// Of those that take two parameters the second; `step` is the number of the launch's step.
  std::optional<std::size_t> offset(std::size_t step) const {
    if (auto* view = std::get_if<BufferView>(&value_)) return view->byteOffset / sizeOf(view->type);
    if (auto* workspace = std::get_if<Workspace>(&value_))
      return workspace->byteOffset / workspace->elementSize;
    if (std::get_if<Failure>(&value_)) return step;
    return std::nullopt;
  }

 private:
  explicit Argument(Value value) : value_(std::move(value)) {}
  Value value_;
};

/// One run of one kernel. `global` is a multiple of `local` in each dimension.
struct Launch {
  std::shared_ptr<const Program> program;
  std::string kernel;
  std::vector<Argument> arguments;
  std::array<std::size_t, 3> global{1, 1, 1};
  std::array<std::size_t, 3> local{1, 1, 1};

  /// Of a group.
  std::size_t threads() const { return local[0] * local[1] * local[2]; }
  std::size_t groups() const { return global[0] * global[1] * global[2] / threads(); }
};

/// A step on the device: launches that the executor enqueues in order. Immutable, and without
/// cl_kernel objects: those hold arguments, so that each executor makes its own.
class ClStep : public Step {
 public:
  explicit ClStep(std::vector<Launch> launches = {}, std::size_t workspaceBytes = 0)
      : launches_(std::move(launches)), workspaceBytes_(workspaceBytes) {}
  std::span<const Launch> launches() const { return launches_; }
  std::size_t workspaceBytes() const { return workspaceBytes_; }
  /// Whether a kernel takes Argument::failure(), and the error's text for a reason written there.
  virtual bool mayFail() const { return false; }
  virtual std::string failureText(int /*reason*/) const { return {}; }

 private:
  std::vector<Launch> launches_;
  std::size_t workspaceBytes_;
};

/// A tensor that a host step reads or writes; `dense`: it wants it row-major without gaps.
struct HostOperand {
  BufferView view;
  bool dense = true;
};

/// A step that the host does: the executor brings its inputs there and its outputs back.
class HostStep : public Step {
 public:
  HostStep(std::vector<HostOperand> inputs, std::vector<HostOperand> outputs)
      : inputs_(std::move(inputs)), outputs_(std::move(outputs)) {}
  const std::vector<HostOperand>& inputs() const { return inputs_; }
  const std::vector<HostOperand>& outputs() const { return outputs_; }
  virtual void run(std::span<const TensorView> inputs, std::span<const TensorView> outputs,
                   ThreadPool& pool) const = 0;

 private:
  std::vector<HostOperand> inputs_, outputs_;
};

}  // namespace layerwise::opencl
