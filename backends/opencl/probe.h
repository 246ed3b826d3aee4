#pragma once

#include "backends/opencl/device.h"

namespace layerwise::opencl {

/// Tries what the device can do: each ability is a kernel that must compile and give the right
/// number.
Capabilities probe(const Device& device);

}  // namespace layerwise::opencl
