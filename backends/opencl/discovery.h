#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "backends/opencl/device.h"

namespace layerwise::opencl {

/// The OpenCL devices of this machine, GPUs before accelerators before CPUs; found once. Empty
/// where there is no OpenCL.
const std::vector<std::unique_ptr<const Device>>& devices();

/// "opencl": the first; "opencl:N": number N from 0; else the first whose name holds the text,
/// whatever its case. nullptr where there is none.
const Device* findDevice(std::string_view name);

}  // namespace layerwise::opencl
