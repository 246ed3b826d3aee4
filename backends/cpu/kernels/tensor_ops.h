#pragma once

#include "backends/cpu/kernels/fully_connected.h"
#include "backends/cpu/kernels/pointwise.h"
#include "backends/cpu/kernels/pool.h"
#include "backends/cpu/kernels/reformat.h"

namespace layerwise::cpu {
namespace {

template <class V>
constexpr TensorKernels tensorKernels() {
  return {&Pool<V>::run,    &globalAverageTile<V>, &upsampleTile<V>,      &pointwiseTile<V>,
          &reformatTile<V>, &imageTile<V>,         &fullyConnectedTile<V>};
}

}  // namespace
}  // namespace layerwise::cpu
