#pragma once

#include <string>
#include <vector>

#include "engine/graph.h"
#include "quantization/channel_statistics.h"

namespace layerwise {

/// Residuals that 8 bits hold badly. What a block adds to its input is rounded again at each block
/// where the sums are kept in 8 bits, and layers that read sums of different blocks must share the
/// factors of their channels, for a sum has its operands' (equalize.h). Both ends where such a
/// tensor stays in float32 and the layers that read it read a copy.

/// The values that sums and layers with weights read, and nobody else.
std::vector<ValueId> residuals(const Graph& graph);

/// Whether the rounding of 8 bits is more than a thousandth of such a value's variance.
bool isHeldBadly(const ChannelStatistics& seen);

/// Puts a depthwise convolution of ones, which stays in float32, between a residual and the layers
/// that read it, and gives its output that name. Equalisation finds the channels' factors for it.
ValueId copyForLayers(Graph& graph, ValueId residual, const std::string& name);

/// The name of the copy of a value of this name.
std::string nameOfCopy(const std::string& residual);

}  // namespace layerwise
