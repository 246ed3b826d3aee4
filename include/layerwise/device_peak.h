#pragma once

#include <string>

#include "layerwise/export.h"

namespace layerwise {

/// What a device reaches where nothing but arithmetic, or nothing but copying, is done.
struct DevicePeak {
  double flops = 0;           ///< float32 multiply-adds on registers, two a pair; 0: not known
  double bytesPerSecond = 0;  ///< of large copies, read and written; 0: not known
};

/// Measures it, in some tens of milliseconds, with `threads` workers (0: one a core). On the CPU in
/// processor time, so that other programs count little. Throws Error kDevice for an unknown device.
LAYERWISE_API DevicePeak measurePeak(const std::string& device = "cpu", int threads = 0);

}  // namespace layerwise
