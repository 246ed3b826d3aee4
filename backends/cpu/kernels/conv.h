#pragma once

#include "backends/cpu/kernel_table.h"
#include "backends/cpu/kernels/conv_channelwise.h"
#include "backends/cpu/kernels/conv_direct.h"
#include "backends/cpu/kernels/matmul.h"
#include "backends/cpu/kernels/winograd.h"

namespace layerwise::cpu {
namespace {

template <class V>
constexpr ConvKernels convKernels() {
  return {&convDirectTile<V>,   &convGroupedTile<V>,  &Channelwise<V, 1>::tile,
          &Winograd<V, 2>::run, &Winograd<V, 4>::run, &matMulTile<V>};
}

}  // namespace
}  // namespace layerwise::cpu
