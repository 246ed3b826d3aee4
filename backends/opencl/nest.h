#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <vector>

#include "backends/opencl/cl.h"
#include "backends/shared/loops.h"
#include "layerwise/error.h"

namespace layerwise::opencl {

/// What kernels/nest.cl takes by value. Axis 0 is the innermost.
struct Nest {
  static constexpr int kAxes = 8;
  static constexpr int kOperands = 5;
  cl_int total = 1;
  cl_int axes = 0;
  cl_int count[kAxes] = {1};  ///< of no axes, so that a division by it is allowed
  cl_int stride[kOperands][kAxes] = {};
};

/// A number as a kernel's int; throws Error kUnsupported where it does not fit.
inline cl_int toInt(std::int64_t number) {
  if (number > std::numeric_limits<cl_int>::max() || number < std::numeric_limits<cl_int>::min())
    throw Error(ErrorCode::kUnsupported, "[opencl] a tensor has more than 2^31 elements");
  return static_cast<cl_int>(number);
}

/// Loops in the order given, the outermost first.
template <int K>
Nest nestOf(const std::vector<Loop<K>>& loops) {
  static_assert(K <= Nest::kOperands);
  Nest nest;
  std::int64_t total = 1;
  for (const auto& loop : loops) total *= loop.count;
  nest.total = toInt(total);
  if (total == 0) return nest;
  if (loops.size() > Nest::kAxes)
    throw Error(ErrorCode::kUnsupported, "[opencl] a tensor has more than 8 axes");
  nest.axes = static_cast<cl_int>(loops.size());
  for (std::size_t i = 0; i < loops.size(); ++i) {
    const auto& loop = loops[loops.size() - 1 - i];
    nest.count[i] = toInt(loop.count);
    for (std::size_t k = 0; k < K; ++k) nest.stride[k][i] = toInt(loop.strides[k]);
  }
  return nest;
}

/// The loops in memory order of operand 0, as few as possible.
template <int K>
Nest simplifiedNest(std::vector<Loop<K>> loops) {
  if (!isEmpty(loops)) simplify(loops);
  return nestOf<K>(loops);
}

}  // namespace layerwise::opencl
