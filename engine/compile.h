#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine_state.h"
#include "layerwise/timing_cache.h"

namespace layerwise {

/// One region's choice as a plan file stores it.
struct TunedChoice {
  std::vector<NodeId> nodes;
  std::string tactic;
  int version = 1;
  std::string parameters;
  std::string layouts;
};

struct CompileOptions {
  std::string device = "cpu";
  int threads = 0;
  int level = 3;
  TimingCache* cache = nullptr;
  Logger logger;
  std::function<bool(double fraction, std::string_view phase)> progress;
  /// Choices of an earlier build for this device: taken where they still exist, instead of tuning.
  std::vector<TunedChoice> choices;
};

/// Lowers an optimised graph for a device: cover, tuning, layouts, packed weights.
std::shared_ptr<const Engine> compileEngine(Graph graph, const CompileOptions& options);

std::vector<TunedChoice> tunedChoices(const Selection& selection);

/// The shapes of the graph's inputs at one end of their ranges.
std::vector<Dims> inputDims(const Graph& graph, Dims ShapeRange::*end);

}  // namespace layerwise
