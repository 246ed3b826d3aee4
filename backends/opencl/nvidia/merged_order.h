#pragma once

#include <map>
#include <mutex>

#include "backends/opencl/cl.h"
#include "backends/opencl/nvidia/ptx_merge.h"

namespace layerwise::opencl {

/// What merged launches of a device (nvidia/merged_launch.h) share. Two of them at once could each
/// hold a part of the multiprocessors and wait for the rest for ever: each begins after the one
/// before.
struct MergedOrder {
  std::mutex enqueuing;
  cl::CommandQueue queue;  ///< of the last one
  cl::Event done;

  std::mutex testing;
  std::map<ResidentShape, bool> works;
};

}  // namespace layerwise::opencl
