#pragma once

#include <cstdint>

#include "backends/cpu/conv.h"

namespace layerwise::cpu {

/// Transforms 3x3 weights of `channels` output channels, (channels, ci, 3, 3), for Winograd's
/// integer products: words of two input channels, `lanes` a row, ci / 2 rows an element of a patch.
void packWinogradBytes(const ConvShape& shape, ConvMethod method, const int8_t* weights,
                       int64_t channels, int64_t lanes, float* to);

}  // namespace layerwise::cpu
