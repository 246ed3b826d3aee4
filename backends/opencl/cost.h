#pragma once

#include <algorithm>

#include "backends/opencl/device.h"

namespace layerwise::opencl {

/// What the cost model believes of a device: orders of magnitude from what the driver tells, so
/// that level 0 chooses the same on the same device.
struct CostModel {
  explicit CostModel(const DeviceInfo& info)
      : flopsPerSecond(info.computeUnits * std::max(info.clockMegahertz, 500u) * 1e6 *
                       (info.isCpu ? 8 : 128)),
        bytesPerSecond(info.isCpu ? 1e10 : info.computeUnits * 1.5e10),
        launchSeconds(info.isCpu ? 2e-5 : 4e-6) {}

  /// `efficiency`: the share of the peak that the kernel reaches.
  double seconds(double flops, double bytes, double efficiency = 0.3) const {
    return launchSeconds + std::max(flops / (flopsPerSecond * efficiency), bytes / bytesPerSecond);
  }

  double flopsPerSecond, bytesPerSecond, launchSeconds;
};

}  // namespace layerwise::opencl
