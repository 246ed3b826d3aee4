#pragma once

#include "backends/cpu/kernel_table.h"
#include "backends/cpu/kernels/conv_direct.h"

namespace layerwise::cpu {
namespace {

// ExactDot differs from Dot for bytes only.
template <class Dot, class ExactDot = Dot>
constexpr TypedConvKernels typedConvKernels(const char* name) {
  using V = typename Dot::Vector;
  return {name, V::kWidth, V::kRegisters, &convDirect<V, Dot>, &convDirect<V, ExactDot>};
}

}  // namespace
}  // namespace layerwise::cpu
