#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "apps/common/npy.h"
#include "layerwise/engine.h"

namespace layerwise::apps {

using Arrays = std::map<std::string, Array>;

/// Reads `name=file.npy` (or only `file.npy` where the engine has one input), converted to the
/// engine's types. Throws Error naming an input that the engine has not.
Arrays readInputs(const Engine& engine, const std::vector<std::string>& words);

/// Adds random values, uniform in 0...1 (integers: 0), for what is not there yet and has no
/// default. Open dimensions take `shapes`, or the profile's opt.
void addRandomInputs(Arrays& inputs, const Engine& engine,
                     const std::map<std::string, Dims>& shapes, std::uint64_t seed);

/// Binds the inputs and memory for all outputs, and returns that in the engine's order. Throws
/// Error for an input that is neither given nor has a default. `inputs` must outlive the runs.
std::vector<std::pair<std::string, Array>> bindTensors(ExecutionContext& context,
                                                       const Arrays& inputs);

}  // namespace layerwise::apps
