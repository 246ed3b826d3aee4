#pragma once

#include <cstddef>
#include <span>

#include "engine/tactic.h"

namespace layerwise::cpu {

/// Packed weights of a step to come.
struct WeightsAhead {
  std::span<const std::byte> bytes;
  bool byEachWorker = false;  ///< all of them; else a share each
};

/// What a worker has in its hands while it runs a tile.
struct Worker {
  std::span<std::byte* const> buffers;  ///< by BufferView::buffer
  std::byte* scratch =
      nullptr;  ///< the worker's own, 64-byte aligned, CpuStep::scratchBytes() large
  /// Shared by all workers of the step, CpuStep::workspaceBytes() large.
  std::byte* workspace = nullptr;
  WeightsAhead ahead;  ///< empty where CpuStep::fetchesAhead() is false
  int workers = 1;

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
  /// The weights that it waits for if they are not in the caches.
  virtual WeightsAhead weights() const { return {}; }
  /// Whether it brings Worker::ahead into the second-level caches while it computes.
  virtual bool fetchesAhead() const { return false; }
};

}  // namespace layerwise::cpu
