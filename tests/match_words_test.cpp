// Weights whose products vpmaddubsw and one addition more leave within 16 bits.
#include "backends/cpu/match_words.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "backends/cpu/conv.h"

namespace layerwise::cpu {
namespace {

TEST(SixteenBits, PairsFitWhereTheyCannotSaturate) {
  ConvShape s;
  s.ci = 4;
  const auto fits = [&](std::vector<int8_t> w) { return pairsFitSixteenBits(s, {}, w.data()); };
  EXPECT_TRUE(fits({64, 64, -64, -64}));
  EXPECT_TRUE(fits({127, -127, 100, 28}));
  EXPECT_FALSE(fits({65, 64, 0, 0}));
  EXPECT_FALSE(fits({0, 0, -65, -64}));
}

TEST(SixteenBits, HoldTheSumsOfMatchedWords) {
  std::mt19937 random(8);
  constexpr int64_t kCount = 61, kLanes = 4;  // a few are tried with all the others
  for (int largest : {64, 50, 35}) {
    std::vector<int8_t> rows(4 * kCount * kLanes);
    for (int8_t& w : rows)
      w = static_cast<int8_t>(std::uniform_int_distribution<int>(-largest, largest)(random));
    const WordOrder found = matchWords(rows.data(), kCount, kLanes);
    const auto fit = [&](uint16_t a, uint16_t b) {
      for (int64_t pair = 0; pair < 2 * kLanes; ++pair) {
        int most = 0, least = 0;
        for (int64_t row : {a, b})
          for (int64_t i = 0; i < 2; ++i) {
            const int w = rows[static_cast<size_t>((row * kLanes * 2 + pair) * 2 + i)];
            (w > 0 ? most : least) += 255 * w;
          }
        if (most > 32767 || least < -32768) return false;
      }
      return true;
    };
    ASSERT_EQ(found.order.size(), static_cast<size_t>(kCount));
    EXPECT_GT(found.matched, 0);
    EXPECT_EQ(found.matched % 2, 0);
    for (size_t i = 0; i < found.matched; i += 2)
      EXPECT_TRUE(fit(found.order[i], found.order[i + 1])) << largest;
    for (size_t i = found.matched; i < found.order.size(); ++i)
      for (size_t k = i + 1; k < found.order.size(); ++k)
        EXPECT_FALSE(fit(found.order[i], found.order[k])) << largest;
    std::vector<uint16_t> all = found.order;
    std::sort(all.begin(), all.end());
    for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i], i);
  }
}

}  // namespace
}  // namespace layerwise::cpu
