#include "engine/memory_plan.h"

#include <gtest/gtest.h>

#include <random>

namespace layerwise {
namespace {

TEST(MemoryPlan, NothingThatLivesTogetherOverlaps) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    std::vector<MemoryRequest> requests;
    for (int i = 0; i < 40; ++i) {
      int first = static_cast<int>(random() % 30);
      requests.push_back({random() % 5000, first, first + static_cast<int>(random() % 6)});
    }
    MemoryPlan plan = planMemory(requests);
    for (std::size_t a = 0; a < requests.size(); ++a) {
      EXPECT_EQ(plan.offsets[a] % 64, 0u);
      EXPECT_LE(plan.offsets[a] + requests[a].bytes, plan.bytes);
      for (std::size_t b = 0; b < a; ++b) {
        bool together =
            requests[a].first <= requests[b].last && requests[b].first <= requests[a].last;
        bool overlap = plan.offsets[a] < plan.offsets[b] + requests[b].bytes &&
                       plan.offsets[b] < plan.offsets[a] + requests[a].bytes;
        EXPECT_FALSE(together && overlap);
      }
    }
  }
}

TEST(MemoryPlan, AChainTakesTwoBuffers) {
  MemoryPlan plan = planMemory({{1000, 0, 1}, {1000, 1, 2}, {1000, 2, 3}, {1000, 3, 4}});
  EXPECT_EQ(plan.bytes, 2048u);
}

}  // namespace
}  // namespace layerwise
