#pragma once

#include <cstdint>

#include "apps/common/stopwatch.h"

namespace layerwise::apps {

/// Where the time of a run over pictures went.
struct StageTimes {
  Stopwatch reading;
  Stopwatch preprocessing;
  Stopwatch inference;
  Stopwatch postprocessing;
  Stopwatch writing;
};

/// Prints images/s over `seconds` and the milliseconds an image of each stage.
void printStageTimes(const StageTimes& times, std::int64_t images, double seconds);

}  // namespace layerwise::apps
