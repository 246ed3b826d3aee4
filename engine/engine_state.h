#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/backend.h"
#include "engine/plan.h"
#include "engine/program.h"
#include "engine/selection.h"
#include "layerwise/engine.h"

namespace layerwise {

/// The inside of an Engine. All but the cache of programs is immutable after compileEngine.
struct Engine::State {
  Graph graph;
  const Backend* backend = nullptr;
  int workers = 1;
  Logger logger;
  Selection selection;
  std::string runMode;  ///< of Backend::runModes, by timing; empty: the usual one
  std::vector<std::shared_ptr<const void>> packed;  ///< by region
  std::vector<TunedSection> otherDevices;           ///< of the plan file, kept for the next save
  std::vector<IoInfo> inputs;
  std::vector<IoInfo> outputs;

  /// The program for these input shapes; bound once and kept.
  std::shared_ptr<const Program> program(const std::vector<Dims>& inputDims, int threads,
                                         BatchOrder order = BatchOrder::kLanes) const;
  /// What the backend has compiled for the profile's opt shapes, where it keeps that.
  std::vector<PackedBlob> compiledCode() const;

 private:
  mutable std::mutex mutex_;
  mutable std::map<std::string, std::shared_ptr<const Program>> programs_;
};

}  // namespace layerwise
