#pragma once

#include <memory>
#include <vector>

#include "backends/opencl/device.h"
#include "engine/tactic.h"

/// How a tactic for OpenCL is written (engine/tactic.h says what a tactic is):
///
/// - A file of backends/opencl/tactics/ defines registerTactic_<file>(opencl::TacticRegistry&) and
///   adds its tactics there. There is a registry, and so a set of tactics, a device: a tactic keeps
///   `const Device&` and asks registry.device().capabilities() before it adds itself.
/// - Kernels lie in backends/opencl/kernels/x.cl. A tactic gets one as
///     ProgramSource source{.file = "x.cl"}; source.define("TILE", 64);
///     std::shared_ptr<const Program> program = device.program(source);
///   which is compiled once a device and cached. Keep the number of different sources small. What a
///   tactic cannot vouch for (inline assembly) it compiles and tries when it registers, and stays
///   away where that fails.
/// - pack() gives a shared_ptr to a struct that holds cl::Buffer made by device.upload(); the
///   buffers live as long as the engine and serve all of its contexts.
/// - bind() gives a ClStep: launches with their arguments. Argument::view(c.inputs[0]) sets two
///   parameters, `global const T* base, ulong offset`, the offset in elements; strides and sizes go
///   in as integers. Nothing is enqueued here: the executor makes the cl_kernel objects, sets the
///   arguments and enqueues, in order, on an in-order queue.
/// - Memory between launches: ClStep's workspaceBytes and Argument::workspace().
namespace layerwise::opencl {

class TacticRegistry {
 public:
  /// With every tactic that the device can run.
  explicit TacticRegistry(const Device& device);
  const Device& device() const { return device_; }
  void add(std::unique_ptr<Tactic> tactic) { tactics_.push_back(std::move(tactic)); }
  const std::vector<std::unique_ptr<Tactic>>& all() const { return tactics_; }

 private:
  const Device& device_;
  std::vector<std::unique_ptr<Tactic>> tactics_;
};

}  // namespace layerwise::opencl
