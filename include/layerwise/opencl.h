#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "layerwise/export.h"

namespace layerwise {

/// An OpenCL device, and what trying showed that it can do.
struct OpenClDevice {
  std::string name;  ///< "opencl:0", what a device option takes; so does a part of the model's name
  std::string model;
  std::string driver;
  std::size_t memoryBytes = 0;
  std::size_t localMemoryBytes = 0;  ///< of a work group
  unsigned computeUnits = 0;
  std::vector<std::string> abilities;  ///< "half arithmetic", "doubles", "inline PTX sm_90", ...
};

/// The devices of this machine; empty where there are none, or where the library was built without
/// OpenCL. Compiles a few small kernels a device.
LAYERWISE_API std::vector<OpenClDevice> openClDevices();

}  // namespace layerwise
