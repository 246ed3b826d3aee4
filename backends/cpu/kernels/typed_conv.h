#pragma once

#include "backends/cpu/kernel_table.h"
#include "backends/cpu/kernels/conv_depthwise.h"
#include "backends/cpu/kernels/conv_direct.h"
#include "backends/cpu/kernels/winograd_bytes.h"

namespace layerwise::cpu {
namespace {

// A Dot occupies `spare` registers beside accumulators, weights and one broadcast.
template <class Dot>
constexpr TypedConvKernels typedConvKernels(const char* name, int spare = 0) {
  using V = typename Dot::Vector;
  return {name,
          V::kWidth,
          V::kRegisters - spare,
          &convDirect<V, Dot>,
          &convDirect<V, Dot>,
          &convDepthwise<Dot>,
          &convDepthwise<Dot>,
          nullptr,
          nullptr};
}

// Those of bytes: ExactDot takes any weights, ShortsDot multiplies 16-bit integers.
template <class Dot, class ExactDot, class ShortsDot>
constexpr TypedConvKernels byteConvKernels(const char* name, int spare = 0) {
  TypedConvKernels kernels = typedConvKernels<Dot>(name, spare);
  kernels.exact = &convDirect<typename Dot::Vector, ExactDot>;
  kernels.exactDepthwise = &convDepthwise<ExactDot>;
  kernels.winograd2 = &WinogradBytes<ShortsDot, 2>::run;
  kernels.winograd4 = &WinogradBytes<ShortsDot, 4>::run;
  return kernels;
}

}  // namespace
}  // namespace layerwise::cpu
