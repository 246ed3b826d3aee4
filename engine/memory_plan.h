#pragma once

#include <cstddef>
#include <vector>

namespace layerwise {

/// A piece of memory that is needed from step `first` to step `last`, both included.
struct MemoryRequest {
  std::size_t bytes = 0;
  int first = 0;
  int last = 0;
};

struct MemoryPlan {
  std::vector<std::size_t> offsets;  ///< by request, multiples of 64
  std::size_t bytes = 0;
};

/// Places requests so that no two that live at the same time overlap: the largest first, each in
/// the lowest gap it fits (greedy by size; Pisarchyk and Lee, arXiv:2001.03288).
MemoryPlan planMemory(const std::vector<MemoryRequest>& requests);

}  // namespace layerwise
