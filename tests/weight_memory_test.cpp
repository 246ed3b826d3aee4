#include "backends/cpu/weight_memory.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <thread>
#include <vector>

namespace layerwise::cpu {
namespace {

std::size_t residentBytes() {
  std::size_t all = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> all >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

bool holds(const std::byte* begin, std::size_t size, std::byte value) {
  return std::all_of(begin, begin + size, [&](std::byte b) { return b == value; });
}

TEST(WeightMemory, PiecesAreAlignedApartAndZero) {
  std::vector<WeightMemory> pieces;
  const std::vector<std::size_t> sizes{1,       63,      64,      65,       4096,           5000,
                                       1 << 20, 3 << 20, 9 << 20, 65 << 20, (130 << 20) + 1};
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    WeightMemory& piece = pieces.emplace_back(sizes[i]);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(piece.data()) % 64, 0u);
    EXPECT_TRUE(holds(piece.data(), sizes[i] + 64, std::byte{0})) << sizes[i];
    std::memset(piece.data(), static_cast<int>(i + 1), sizes[i]);
    if (i % 2) WeightMemory::trim();
  }
  for (std::size_t i = 0; i < sizes.size(); ++i)
    EXPECT_TRUE(holds(pieces[i].data(), sizes[i], static_cast<std::byte>(i + 1))) << sizes[i];
}

TEST(WeightMemory, NothingIsNull) {
  EXPECT_EQ(WeightMemory().data(), nullptr);
}

// ThreadSanitizer keeps more about each byte that was touched, and does not give it back.
#ifndef __SANITIZE_THREAD__
TEST(WeightMemory, WhatIsFreedLeavesTheMemory) {
  constexpr std::size_t kBytes = 32 << 20;
  const WeightMemory stays(64);
  std::memset(stays.data(), 1, 64);
  const std::size_t before = residentBytes();
  {
    const WeightMemory leaves(kBytes);
    std::memset(leaves.data(), 1, kBytes);
    EXPECT_GE(residentBytes(), before + kBytes * 7 / 8);
  }
  EXPECT_LT(residentBytes(), before + kBytes / 8);
  EXPECT_TRUE(holds(stays.data(), 64, std::byte{1}));
}

TEST(WeightMemory, TrimLeavesAFewSmallPages) {
  const std::size_t before = residentBytes();
  const WeightMemory small(3000);
  std::memset(small.data(), 1, 3000);
  WeightMemory::trim();
  EXPECT_LT(residentBytes(), before + (256 << 10));
  EXPECT_TRUE(holds(small.data(), 3000, std::byte{1}));
}

#endif

TEST(WeightMemory, ThreadsMayTakeAndFree) {
  std::vector<std::thread> threads;
  for (int t = 1; t <= 4; ++t) {
    threads.emplace_back([t] {
      std::vector<WeightMemory> kept(8);
      for (std::size_t i = 0; i < 400; ++i) {
        const std::size_t bytes = 1000 + i * 977;
        WeightMemory piece(bytes);
        ASSERT_TRUE(holds(piece.data(), bytes, std::byte{0}));
        std::memset(piece.data(), t, bytes);
        if (i % 50 == 0) WeightMemory::trim();
        ASSERT_TRUE(holds(piece.data(), bytes, static_cast<std::byte>(t)));
        kept[i % kept.size()] = std::move(piece);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace layerwise::cpu
