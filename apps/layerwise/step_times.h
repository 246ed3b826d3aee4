#pragma once

#include "layerwise/engine.h"

namespace layerwise::apps {

/// Runs a context whose inputs and outputs are bound some times under a profiler, and prints the
/// median time of every step with the rates it reaches.
void printStepTimes(ExecutionContext& context);

}  // namespace layerwise::apps
