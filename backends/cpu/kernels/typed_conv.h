#pragma once

#include "backends/cpu/kernel_table.h"
#include "backends/cpu/kernels/conv_channelwise.h"
#include "backends/cpu/kernels/conv_depthwise.h"
#include "backends/cpu/kernels/conv_direct.h"
#include "backends/cpu/kernels/peak.h"
#include "backends/cpu/kernels/winograd_bytes.h"
#include "backends/cpu/simd/bfloat16_pairs.h"

namespace layerwise::cpu {
namespace {

// Depthwise in float32, of an input in bfloat16 or float32.
template <class V>
void convDepthwiseFloat(const ConvPlan& p, const TypedConvBuffers& io, int64_t index,
                        float* scratch) {
  if (p.config.element == Element::kFloat32) {
    Channelwise<V, 1, float, V>::tile(p, io, index, scratch);
  } else {
    Channelwise<BFloat16Pairs<V>, 1, uint16_t, V>::tile(p, io, index, scratch);
  }
}

template <class Dot>
constexpr TypedConvKernel depthwiseKernel() {
  if constexpr (dotElement<Dot>() == Element::kBFloat16) {
    return &convDepthwiseFloat<typename Dot::Vector>;
  } else {
    return &convDepthwise<Dot>;
  }
}

// A Dot occupies `spare` registers beside accumulators, weights and one broadcast.
template <class Dot>
constexpr TypedConvKernels typedConvKernels(const char* name, int spare = 0) {
  using V = typename Dot::Vector;
  return {name,
          V::kWidth,
          V::kRegisters - spare,
          &convDirect<V, Dot>,
          depthwiseKernel<Dot>(),
          depthwiseKernel<Dot>(),
          nullptr,
          nullptr,
          nullptr,
          nullptr,
          peakOf<Dot>()};
}

// Those of bytes. ShortsDot multiplies 16-bit integers.
template <class Dot, class ShortsDot>
constexpr TypedConvKernels byteConvKernels(const char* name, int spare = 0) {
  TypedConvKernels kernels = typedConvKernels<Dot>(name, spare);
  kernels.winograd2 = &WinogradBytes<ShortsDot, 2>::run;
  kernels.winograd4 = &WinogradBytes<ShortsDot, 4>::run;
  return kernels;
}
// Dot takes weights only that pairsFitSixteenBits() accepts; WideDot, and depthwise ExactDot, any.
template <class Dot, class ShortsDot, class WideDot, class ExactDot>
constexpr TypedConvKernels saturatingConvKernels(const char* name, int spare = 0) {
  TypedConvKernels kernels = byteConvKernels<Dot, ShortsDot>(name, spare);
  kernels.wide = &convDirect<typename Dot::Vector, WideDot>;
  kernels.matched = &convDirect<typename Dot::Vector, MatchedDot<Dot>>;
  kernels.exactDepthwise = &convDepthwise<ExactDot>;
  return kernels;
}

}  // namespace
}  // namespace layerwise::cpu
