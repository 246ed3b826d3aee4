#include "backends/opencl/nvidia/run_modes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "backends/opencl/nvidia/merged_check.h"
#include "backends/opencl/step.h"

namespace layerwise::opencl {
namespace {

// Three groups of most convolutions fit a multiprocessor; two meet faster where more have no work.
// Some kernels, as a picture's first convolution, have more than 128 threads.
const std::array<MergeOptions, 4> kModes = {
    {{{128, 2}, 0}, {{128, 3}, 0}, {{128, 3}, 1}, {{256, 1}, 0}}};

/// In this many groups a multiprocessor a launch is large enough that starting it is not what
/// counts.
constexpr std::size_t kManyGroups = 24;

/// LAYERWISE_OPENCL_MERGE=0: devices that several processes run on at once.
bool isForbidden() {
  const char* wanted = std::getenv("LAYERWISE_OPENCL_MERGE");
  return wanted && std::string_view(wanted) == "0";
}

std::vector<PlacedLaunch> launchesOf(std::span<const BoundStep> steps) {
  std::vector<PlacedLaunch> launches;
  for (std::size_t s = 0; s < steps.size(); ++s)
    if (auto* step = dynamic_cast<const ClStep*>(steps[s].step.get()))
      for (const Launch& launch : step->launches()) launches.push_back({&launch, s});
  return launches;
}

}  // namespace

std::string runMode(const MergeOptions& options) {
  const ResidentShape& shape = options.shape;
  return fmt::format("merged {}x{}", shape.threads, shape.groupsPerUnit) +
         (options.rounds ? fmt::format("/{}", options.rounds) : "");
}

std::optional<MergeOptions> mergeOptionsOf(const Device& device, std::string_view mode) {
  if (isForbidden()) return std::nullopt;
  for (const MergeOptions& options : kModes)
    if (mode == runMode(options) && mergingWorks(device, options.shape)) return options;
  return std::nullopt;
}

std::vector<std::string> runModes(const Device& device, std::span<const BoundStep> steps) {
  if (isForbidden()) return {};
  for (const BoundStep& step : steps)
    if (dynamic_cast<const HostStep*>(step.step.get())) return {};
  std::size_t small = 0, all = 0, mostThreads = 1;
  for (const PlacedLaunch& placed : launchesOf(steps)) {
    mostThreads = std::max(mostThreads, placed.launch->threads());
    ++all;
    if (placed.launch->groups() < kManyGroups * device.info().computeUnits) ++small;
  }
  std::vector<std::string> modes;
  if (2 * small < all) return modes;
  for (const MergeOptions& options : kModes)
    if ((options.shape.threads <= 128 || mostThreads > 128) && mergingWorks(device, options.shape))
      modes.push_back(runMode(options));
  return modes;
}

void buildRunMode(const Device& device, std::span<const BoundStep> steps,
                  const MergeOptions& options) {
  mergeLaunches(device, launchesOf(steps), options);
}

}  // namespace layerwise::opencl
