#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "layerwise/dims.h"
#include "layerwise/engine.h"
#include "layerwise/export.h"

// What CL/cl.h declares alike.
typedef struct _cl_context* cl_context;
typedef struct _cl_device_id* cl_device_id;
typedef struct _cl_command_queue* cl_command_queue;
typedef struct _cl_mem* cl_mem;
typedef struct _cl_event* cl_event;

namespace layerwise {

/// An OpenCL device, and what trying showed that it can do.
struct OpenClDevice {
  std::string name;  ///< "opencl:0", what a device option takes; so does a part of the model's name
  std::string model;
  std::string driver;
  bool isCpu = false;  ///< a processor, by an implementation such as PoCL
  std::size_t memoryBytes = 0;
  std::size_t localMemoryBytes = 0;  ///< of a work group
  unsigned computeUnits = 0;
  std::vector<std::string> abilities;  ///< "half arithmetic", "doubles", "inline PTX sm_90", ...
};

/// The devices of this machine; empty where there are none, or where the library was built without
/// OpenCL. Compiles a few small kernels a device.
LAYERWISE_API std::vector<OpenClDevice> openClDevices();

/// The OpenCL context and device that an engine runs on: memory and queues that are given to its
/// contexts are made there. Borrowed. Throw Error kUnsupported for an engine on another device.
LAYERWISE_API cl_context openClContext(const Engine& engine);
LAYERWISE_API cl_device_id openClDevice(const Engine& engine);

/// Binds an input to a buffer that holds its values row-major; nothing is copied.
inline void setInputMemory(ExecutionContext& context, std::string_view name, cl_mem memory,
                           const Dims& dims) {
  context.setInputMemory(name, memory, dims);
}

/// Binds an output to a buffer, at least outputDims(name) large.
inline void setOutputMemory(ExecutionContext& context, std::string_view name, cl_mem memory) {
  context.setOutputMemory(name, memory);
}

/// Enqueues a run on an in-order queue of the caller's and returns. `event`, where not null, gets
/// an event that completes with the run; the caller releases it. Until then inputs and outputs
/// belong to the run, and the context must not be run on another queue. Engines with layers that
/// the host computes, or that look at indices (Gather), are run to their end before the call
/// returns.
inline void enqueue(ExecutionContext& context, cl_command_queue queue, cl_event* event = nullptr) {
  void* made = nullptr;
  context.enqueue(queue, event ? &made : nullptr);
  if (event) *event = static_cast<cl_event>(made);
}

}  // namespace layerwise
