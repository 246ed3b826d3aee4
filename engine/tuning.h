#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "engine/selection.h"
#include "layerwise/thread_pool.h"
#include "layerwise/timing_cache.h"

namespace layerwise {

struct TuningOptions {
  int level = 3;  ///< 0 measures nothing
  TimingCache* cache = nullptr;
  std::shared_ptr<ThreadPool> pool;
  std::function<bool(double fraction, std::string_view phase)> progress;
};

/// Measures the candidates that differ in nothing but tactic and parameters, and keeps of each such
/// group the fastest: the cost model's favourite unless another one is clearly faster. Regions that
/// do the same share their measurements. Throws Error kCancelled where progress says so.
void tuneRegions(const MatchContext& context, const Backend& backend, const TuningOptions& options,
                 Selection& selection);

}  // namespace layerwise
