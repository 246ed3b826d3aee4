#pragma once

#include "layerwise/device_peak.h"
#include "layerwise/engine.h"

namespace layerwise::apps {

/// Runs a context whose inputs and outputs are bound some times under a profiler, and prints the
/// median and the least time of every step with the rates it reaches, and their share of the peak
/// where that is known.
void printStepTimes(ExecutionContext& context, const DevicePeak& peak);

}  // namespace layerwise::apps
