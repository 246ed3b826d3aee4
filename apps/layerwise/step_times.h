#pragma once

#include <nlohmann/json.hpp>

#include "layerwise/device_peak.h"
#include "layerwise/engine.h"

namespace layerwise::apps {

/// What one step of an engine did in some runs under a profiler.
struct StepTimes {
  std::string layers, tactic;
  DataType type = DataType::kFloat32;
  double flops = 0, bytes = 0;   ///< a run
  double median = 0, least = 0;  ///< seconds

  /// Rates are those of the least time: the step's own, without what else the machine did.
  double flopRate() const;
  double byteRate() const;
  /// Of what the device can compute in the step's type, where that is known; otherwise 0.
  /// Winograd's convolutions count as the multiplications that they save: they may exceed 1.
  double shareOf(const DevicePeak& peak) const;
};

/// Runs a context whose inputs and outputs are bound some times under a profiler.
std::vector<StepTimes> timeSteps(ExecutionContext& context);

void printStepTimes(const std::vector<StepTimes>& steps, const DevicePeak& peak);
nlohmann::ordered_json toJson(const std::vector<StepTimes>& steps, const DevicePeak& peak);

}  // namespace layerwise::apps
