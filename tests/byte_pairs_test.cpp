// Which weights are a pair, against the order in which kernels of bytes meet them.
#include "layers/byte_pairs.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <vector>

namespace layerwise {
namespace {

// The weights of an output channel as a kernel of direct convolutions meets them: a row of its own
// for what shares no word with others.
std::vector<std::vector<std::size_t>> rowsOf(int channels, int groups, int rows, int columns,
                                             int dilation) {
  std::vector<std::vector<std::size_t>> met;
  for (int ky = 0; ky < rows; ++ky)
    for (int kx = 0; kx < columns; ++kx) {
      const bool isRun = groups == 1 && dilation == 1 && channels % 2 == 1;
      if (kx == 0 || !isRun) met.emplace_back();
      for (int c = 0; c < channels; ++c)
        met.back().push_back(static_cast<std::size_t>((c * rows + ky) * columns + kx));
    }
  return met;
}

TEST(BytePairs, AreNeighboursInWhatTheKernelMeets) {
  std::mt19937 random(4);
  const auto pick = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  int fit = 0, unfit = 0;
  for (int i = 0; i < 2000; ++i) {
    const int channels = pick(1, 9), groups = pick(1, 2), rows = pick(1, 4), columns = pick(1, 7);
    const int dilation = pick(1, 2), largest = pick(60, 75);
    SCOPED_TRACE(testing::Message() << channels << " channels, " << groups << " groups, " << rows
                                    << " x " << columns << " dilated by " << dilation);
    const BytePairs pairs = BytePairs::ofConvolution(channels, groups, rows, columns, dilation);
    std::vector<std::int8_t> weights(static_cast<std::size_t>(channels * rows * columns));
    for (std::int8_t& w : weights) w = static_cast<std::int8_t>(pick(-largest, largest));
    bool allFit = true;
    for (const auto& row : rowsOf(channels, groups, rows, columns, dilation))
      for (std::size_t k = 0; k < row.size(); ++k) {
        const auto other = pairs.partner(row[k]);
        ASSERT_EQ(other.has_value(), (k ^ 1) < row.size()) << row[k];
        if (!other) continue;
        ASSERT_EQ(*other, row[k ^ 1]) << row[k];
        const int a = weights[row[k]], b = weights[*other];
        if (a * b > 0 && std::abs(a + b) > 128) allFit = false;
      }
    EXPECT_EQ(pairs.allFit(weights.data()), allFit);
    ++(allFit ? fit : unfit);
  }
  EXPECT_GT(fit, 200);
  EXPECT_GT(unfit, 200);
}

TEST(BytePairs, AreOfOneChannelDepthwise) {
  for (int rows = 1; rows < 6; ++rows)
    for (int columns = 1; columns < 6; ++columns) {
      const BytePairs pairs = BytePairs::ofDepthwise(rows, columns);
      std::size_t alone = 0;
      for (std::size_t i = 0; i < pairs.taps; ++i) {
        const auto other = pairs.partner(i);
        if (!other) {
          ++alone;
          continue;
        }
        EXPECT_NE(*other, i);
        EXPECT_EQ(pairs.partner(*other), i) << rows << " x " << columns;
      }
      EXPECT_EQ(alone, rows == 3 ? pairs.taps / 3 : pairs.taps % 2) << rows << " x " << columns;
    }
}

}  // namespace
}  // namespace layerwise
