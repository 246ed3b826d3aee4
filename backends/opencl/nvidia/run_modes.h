#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backends/opencl/device.h"
#include "backends/opencl/nvidia/merged_launch.h"
#include "engine/backend.h"

namespace layerwise::opencl {

/// The name of a way to run a program's launches as one (nvidia/merged_launch.h): "merged 128x3",
/// by groups of that shape; "merged 128x3/1", launches of one round at most.
std::string runMode(const MergeOptions& options);
/// What such a name says, where merging so works on the device.
std::optional<MergeOptions> mergeOptionsOf(const Device& device, std::string_view mode);

/// The modes that may be faster than separate launches: none where most of them have many groups,
/// or where the host computes a step.
std::vector<std::string> runModes(const Device& device, std::span<const BoundStep> steps);

/// Builds the programs that the mode needs.
void buildRunMode(const Device& device, std::span<const BoundStep> steps,
                  const MergeOptions& options);

}  // namespace layerwise::opencl
