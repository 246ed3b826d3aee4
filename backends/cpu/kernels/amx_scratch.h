#pragma once

#include "backends/cpu/amx_conv.h"
#include "backends/cpu/conv_geometry.h"
#include "backends/cpu/simd/tile_shapes.h"

// A worker's scratch: the accumulators on their way to memory, then the copied strip. One set only,
// which the first-level cache keeps: a block's finish has read it when the next block stores.
namespace layerwise::cpu {
namespace {

constexpr int kAccumulators = 4;
constexpr int64_t kAccumulatorBytes = kTileRows * kTileRowBytes;
constexpr int64_t kAmxStoreBytes = kAccumulators * kAccumulatorBytes;
// Of companded weights, expanded some steps before they are multiplied.
constexpr int64_t kExpandAhead = 2, kExpandedSteps = 4;
constexpr int64_t kAmxExpandedBytes = kExpandedSteps * kAccumulators * kAccumulatorBytes;
// Vertical, of a convolution of planes.
constexpr int64_t kMostStride = 16;
// Whose columns are made of words.
constexpr int64_t kMostColumnChannels = 4;

}  // namespace
}  // namespace layerwise::cpu
