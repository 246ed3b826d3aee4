#pragma once

#include <vector>

#include "backends/opencl/cl.h"
#include "engine/tactic.h"
#include "layerwise/plugin.h"

namespace layerwise::opencl {

/// The host's copy of the stretch of device memory that a tensor spans, what lies between its
/// elements included; and, where `dense` is asked for and the tensor is not, of its elements alone,
/// row-major.
class HostTensor {
 public:
  explicit HostTensor(const BufferView& view, bool dense = false);
  /// Waits until the copy is there.
  void fetch(const cl::CommandQueue& queue, const cl::Buffer& buffer);
  void store(const cl::CommandQueue& queue, const cl::Buffer& buffer);
  /// In this object's memory.
  TensorView view();

 private:
  std::byte* spanned();
  std::byte* packed();

  BufferView view_;
  bool packs_;
  std::size_t bytes_ = 0;
  std::vector<std::byte> memory_, packedMemory_;
};

}  // namespace layerwise::opencl
