#pragma once

#include <cstddef>
#include <span>

#include "engine/tactic.h"

namespace layerwise::cpu {

/// What a worker has in its hands while it runs a tile.
struct Worker {
  std::span<std::byte* const> buffers;  ///< by BufferView::buffer
  std::byte* scratch =
      nullptr;  ///< the worker's own, 64-byte aligned, CpuStep::scratchBytes() large
  /// Shared by all workers of the step, CpuStep::workspaceBytes() large.
  std::byte* workspace = nullptr;

  template <class T>
  T* data(const BufferView& view) const {
    return reinterpret_cast<T*>(buffers[static_cast<std::size_t>(view.buffer)] + view.byteOffset);
  }
};

/// A step on the CPU: one or more phases with a barrier between, each a number of tiles that
/// workers claim.
class CpuStep : public Step {
 public:
  virtual int phases() const { return 1; }
  virtual std::int64_t tiles(int phase) const = 0;
  virtual void run(int phase, std::int64_t tile, const Worker& worker) const = 0;
  virtual std::size_t scratchBytes() const { return 0; }
  virtual std::size_t workspaceBytes() const { return 0; }
};

}  // namespace layerwise::cpu
