#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/backend.h"

namespace layerwise::opencl {

class Device;

/// The backend of a device by the name that the user gives it (discovery.h); nullptr where there is
/// no such device.
const Backend* findBackend(std::string_view name);

/// A backend's device; nullptr for a backend of another kind.
const Device* deviceOf(const Backend& backend);

/// "opencl:0 (NVIDIA H200)" a device.
std::vector<std::string> deviceNames();

}  // namespace layerwise::opencl
