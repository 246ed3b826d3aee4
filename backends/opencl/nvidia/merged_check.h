#pragma once

#include "backends/opencl/device.h"
#include "backends/opencl/nvidia/ptx_merge.h"

namespace layerwise::opencl {

/// Whether merged launches (nvidia/merged_launch.h) of such groups compute on this device what
/// separate ones do: steps that read what all groups of the step before have written, some thousand
/// of them, in groups that take all local memory. Tried once. Not known of any other device than
/// NVIDIA's from compute capability 8.0.
bool mergingWorks(const Device& device, const ResidentShape& shape);

}  // namespace layerwise::opencl
