#pragma once

#include <array>

#include "layers/layer_kind.h"

namespace layerwise {

/// Which axes a list of them names (empty: all of them); throws Error for one outside or named
/// twice.
std::array<bool, Dims::kMaxRank> reducedAxes(const std::vector<std::int64_t>& axes, int rank);

}  // namespace layerwise
