#pragma once

#include "backends/cpu/kernels/convert_tensor.h"
#include "backends/cpu/kernels/fully_connected.h"
#include "backends/cpu/kernels/peak.h"
#include "backends/cpu/kernels/pointwise.h"
#include "backends/cpu/kernels/pool.h"

namespace layerwise::cpu {
namespace {

template <class V>
constexpr TensorKernels tensorKernels() {
  return {&Pool<V, float>::run,     &globalAverageTile<V, float>, &upsampleTile<float>,
          &pointwiseTile<V, float>, &fullyConnectedTile<V>,       peakOf<FloatDot<V>>()};
}

template <class V>
constexpr TypedTensorKernels typedTensorKernels() {
  return {{&poolBFloat16Tile<V>, &globalAverageTile<V, uint16_t>, &upsampleTile<uint16_t>,
           &pointwiseTile<V, uint16_t>, nullptr},
          {&PoolLargest<V, uint8_t>::run, nullptr, &upsampleTile<uint8_t>, nullptr, nullptr},
          &convertTile<V>};
}

}  // namespace
}  // namespace layerwise::cpu
