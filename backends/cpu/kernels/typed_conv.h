#pragma once

#include "backends/cpu/kernel_table.h"
#include "backends/cpu/kernels/conv_depthwise.h"
#include "backends/cpu/kernels/conv_direct.h"

namespace layerwise::cpu {
namespace {

// ExactDot differs from Dot for bytes only. A Dot occupies `spare` registers beside accumulators,
// weights and one broadcast.
template <class Dot, class ExactDot = Dot>
constexpr TypedConvKernels typedConvKernels(const char* name, int spare = 0) {
  using V = typename Dot::Vector;
  return {name,
          V::kWidth,
          V::kRegisters - spare,
          &convDirect<V, Dot>,
          &convDirect<V, ExactDot>,
          &convDepthwise<Dot>,
          &convDepthwise<ExactDot>};
}

}  // namespace
}  // namespace layerwise::cpu
