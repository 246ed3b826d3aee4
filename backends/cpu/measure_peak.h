#pragma once

#include "layerwise/device_peak.h"

namespace layerwise::cpu {

/// The sum of what the workers reach side by side, each in its own processor time.
DevicePeak measurePeak(int threads);

}  // namespace layerwise::cpu
