#pragma once

#include <cstdint>

namespace layerwise {

/// Transforms 3x3 weights for Winograd's F(points - 2, 3), points 4 or 6: G g G^T of each of
/// `channels` output channels of one input channel, computed in double precision. Output channel o
/// has its weights at g + o * channelStep; its element e, of points^2, goes to to[e * step + o].
void transformWinogradWeights(std::int64_t points, const float* g, std::int64_t channelStep,
                              std::int64_t channels, float* to, std::int64_t step);

}  // namespace layerwise
