#include "backends/cpu/unit_grid.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace layerwise::cpu {
namespace {

UnitSizes anySizes(std::mt19937& random) {
  const auto upTo = [&](int64_t most) { return 1 + static_cast<int64_t>(random() % most); };
  UnitSizes s;
  s.images = upTo(3);
  s.rows = upTo(200);
  s.rowGrain = upTo(33);
  s.leastRows = upTo(70);
  s.cacheRows = upTo(250);
  s.blocks = upTo(40);
  s.blockGrain = upTo(3);
  s.threads = static_cast<int>(upTo(9));
  s.unitsPerThread = static_cast<int>(upTo(4));
  s.byChannels = random() % 2;
  return s;
}

TEST(UnitGrid, UnitsMeetEveryRowOfEveryBlockOnce) {
  std::mt19937 random(1);
  for (int i = 0; i < 2000; ++i) {
    const UnitSizes s = anySizes(random);
    const UnitGrid g = cutIntoUnits(s);
    std::vector<int> met(s.images * s.rows * s.blocks);
    for (int64_t index = 0; index < unitCount(g); ++index) {
      const Unit unit = unitAt(g, index);
      EXPECT_GT(unit.rows, 0);
      EXPECT_LE(unit.rows, mostRows(g));
      EXPECT_GT(unit.lastBlock, unit.firstBlock);
      EXPECT_LE(unit.lastBlock - unit.firstBlock, mostBlocks(g));
      EXPECT_EQ(unit.firstRow % s.rowGrain, 0);
      EXPECT_EQ(unit.firstBlock % s.blockGrain, 0);
      for (int64_t row = unit.firstRow; row < unit.firstRow + unit.rows; ++row)
        for (int64_t block = unit.firstBlock; block < unit.lastBlock; ++block)
          ++met.at((unit.image * s.rows + row) * s.blocks + block);
    }
    ASSERT_EQ(std::count(met.begin(), met.end(), 1), static_cast<std::ptrdiff_t>(met.size()));
  }
}

// The rows of a strip that is not cut further are one grain more than another's at most.
TEST(UnitGrid, WorkersHaveAsManyRowsAsEachOther) {
  for (const int threads : {2, 3, 4, 8}) {
    for (const int64_t rows : {196, 784, 3136}) {
      UnitSizes s;
      s.rows = s.cacheRows = rows;
      s.rowGrain = 16;
      s.leastRows = 24;
      s.blocks = 8;
      s.threads = threads;
      s.unitsPerThread = 4;
      const UnitGrid g = cutIntoUnits(s);
      ASSERT_EQ(g.chunks, 1);
      ASSERT_EQ(g.strips % threads, 0);
      const int64_t each = g.strips / threads;
      for (int worker = 0; worker < threads; ++worker) {
        int64_t had = 0;
        for (int64_t i = 0; i < each; ++i) had += unitAt(g, worker * each + i).rows;
        EXPECT_LE(std::abs(had - rows / threads), 16) << rows << " rows, " << threads;
      }
    }
  }
}

// Layers of the same rows in a row hand each worker what it has written itself.
TEST(UnitGrid, NeighbouringUnitsShareRowsOrChannels) {
  UnitSizes s;
  s.rows = 14;
  s.leastRows = 7;
  s.cacheRows = 5;
  s.blocks = 12;
  s.threads = 4;
  s.unitsPerThread = 4;
  for (const bool byChannels : {false, true}) {
    s.byChannels = byChannels;
    const UnitGrid g = cutIntoUnits(s);
    ASSERT_GT(g.strips, 1);
    ASSERT_GT(g.chunks, 1);
    const Unit first = unitAt(g, 0), second = unitAt(g, 1);
    EXPECT_EQ(first.firstBlock == second.firstBlock, byChannels);
    EXPECT_EQ(first.firstRow == second.firstRow, !byChannels);
    EXPECT_EQ(sharesWeights(g), !byChannels);
  }
}

}  // namespace
}  // namespace layerwise::cpu
