#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "layerwise/dims.h"

namespace layerwise {

/// A loop that K operands walk with strides of their own.
template <int K>
struct Loop {
  std::int64_t count;
  std::array<std::int64_t, K> strides;
};

/// The loops over all axes of a shape, with a stride an axis for each operand.
template <int K>
std::vector<Loop<K>> loopsOver(const Dims& dims, const std::array<Dims, K>& strides) {
  std::vector<Loop<K>> loops;
  for (int axis = 0; axis < dims.rank(); ++axis) {
    Loop<K> loop{dims[axis], {}};
    for (std::size_t k = 0; k < K; ++k) loop.strides[k] = strides[k][axis];
    loops.push_back(loop);
  }
  return loops;
}

template <int K>
bool isEmpty(const std::vector<Loop<K>>& loops) {
  return std::any_of(loops.begin(), loops.end(), [](const auto& l) { return l.count == 0; });
}

/// Loops of one element go; the others are ordered so that the first operand (what is written) is
/// walked in memory order, the outermost first; neighbours become one where all operands allow it.
template <int K>
void simplify(std::vector<Loop<K>>& loops) {
  std::erase_if(loops, [](const auto& l) { return l.count == 1; });
  std::stable_sort(loops.begin(), loops.end(), [](const auto& a, const auto& b) {
    return std::abs(a.strides[0]) > std::abs(b.strides[0]);
  });
  auto mergeable = [](const Loop<K>& outer, const Loop<K>& inner) {
    for (std::size_t k = 0; k < K; ++k)
      if (outer.strides[k] != inner.strides[k] * inner.count) return false;
    return true;
  };
  for (std::size_t i = loops.size(); i-- > 1;)
    if (mergeable(loops[i - 1], loops[i])) {
      loops[i - 1] = {loops[i - 1].count * loops[i].count, loops[i].strides};
      loops.erase(loops.begin() + static_cast<std::ptrdiff_t>(i));
    }
}

}  // namespace layerwise
