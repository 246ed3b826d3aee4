#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine_state.h"
#include "engine/plan.h"
#include "layerwise/timing_cache.h"

namespace layerwise {

struct CompileOptions {
  std::string device = "cpu";
  int threads = 0;
  int level = 3;
  TimingCache* cache = nullptr;
  Logger logger;
  std::function<bool(double fraction, std::string_view phase)> progress;
  /// What earlier builds found out. The section for this device is taken where its choices still
  /// exist, instead of tuning; the others are kept for the next save.
  std::vector<TunedSection> tuned;
  /// Called when kernels are chosen and before weights are packed; may change weights' values.
  std::function<void(Graph& graph, const Selection& selection)> onChosen;
  /// Of a graph out of a plan: the constants are checked before they are used, and leave the memory
  /// when they were packed.
  std::shared_ptr<const StoredConstants> constants;
};

/// Lowers an optimised graph for a device: cover, tuning, layouts, packed weights.
std::shared_ptr<const Engine> compileEngine(Graph graph, const CompileOptions& options);

/// What a plan file holds of an engine.
PlanContents planContents(const Engine::State& state);

/// The shapes of the graph's inputs at one end of their ranges.
std::vector<Dims> inputDims(const Graph& graph, Dims ShapeRange::*end);

}  // namespace layerwise
