#include "engine/memory_plan.h"

#include <algorithm>
#include <numeric>

namespace layerwise {

MemoryPlan planMemory(const std::vector<MemoryRequest>& requests) {
  constexpr std::size_t kAlignment = 64;
  MemoryPlan plan;
  plan.offsets.resize(requests.size());
  std::vector<std::size_t> order(requests.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return requests[a].bytes > requests[b].bytes;
  });

  std::vector<std::size_t> placed;  // sorted by offset
  for (std::size_t index : order) {
    const MemoryRequest& request = requests[index];
    std::size_t size = (request.bytes + kAlignment - 1) / kAlignment * kAlignment;
    std::size_t offset = 0;
    for (std::size_t other : placed) {
      const MemoryRequest& there = requests[other];
      if (there.last < request.first || request.last < there.first) continue;
      if (offset + size <= plan.offsets[other]) break;
      offset = std::max(
          offset, plan.offsets[other] + (there.bytes + kAlignment - 1) / kAlignment * kAlignment);
    }
    plan.offsets[index] = offset;
    plan.bytes = std::max(plan.bytes, offset + size);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), index,
                                   [&](std::size_t a, std::size_t b) {
                                     return plan.offsets[a] < plan.offsets[b];
                                   }),
                  index);
  }
  return plan;
}

}  // namespace layerwise
