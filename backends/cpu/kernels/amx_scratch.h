#pragma once

#include "backends/cpu/amx_conv.h"
#include "backends/cpu/conv_geometry.h"
#include "backends/cpu/simd/tile_shapes.h"

// A worker's scratch: two sets of accumulators on their way to memory, then the copied strip.
namespace layerwise::cpu {
namespace {

constexpr int kAccumulators = 4;
constexpr int64_t kAccumulatorBytes = kTileRows * kTileRowBytes;
constexpr int64_t kJobs = 2;
constexpr int64_t kAmxStoreBytes = kJobs * kAccumulators * kAccumulatorBytes;

}  // namespace
}  // namespace layerwise::cpu
