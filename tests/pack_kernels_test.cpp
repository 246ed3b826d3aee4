#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "backends/cpu/companded_weights.h"
#include "backends/cpu/pack_kernels.h"
#include "backends/cpu/winograd_bytes.h"
#include "backends/shared/winograd_weights.h"
#include "layers/float16.h"

namespace layerwise::cpu {
namespace {

std::vector<float> randomWeights(const PackPlan& p) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> weights(static_cast<std::size_t>(p.channels * p.inputs * p.taps));
  for (float& w : weights) w = normal(random);
  return weights;
}

/// Output channels, and lanes for them.
constexpr std::pair<int64_t, int64_t> kBlocks[] = {{1, 8},   {8, 8},   {16, 16}, {19, 24},
                                                   {31, 32}, {48, 48}, {63, 64}, {77, 80}};

using Kernel = void (*)(const PackPlan&, const float* weights, float* packed);

/// Packs with a row of canaries behind, and compares the bits; behind the channels, zeros of either
/// sign. `place`: floats behind a line's beginning.
void expectPackedAt(std::size_t place, PackPlan p, Kernel kernel, const std::vector<float>& weights,
                    const std::vector<float>& expected) {
  constexpr float kCanary = 17;
  constexpr std::size_t kLine = 16;
  const std::size_t size = expected.size() + static_cast<std::size_t>(p.lanes);
  std::vector<float> memory(size + 2 * kLine, kCanary);
  const auto address = reinterpret_cast<std::uintptr_t>(memory.data()) / sizeof(float);
  const std::span packed(memory.data() + (kLine - address % kLine) + place, size);
  p.streams = place == 0;
  kernel(p, weights.data(), packed.data());
  for (std::size_t row = 0; row < expected.size(); row += static_cast<std::size_t>(p.lanes)) {
    const float *is = packed.data() + row, *wanted = expected.data() + row;
    ASSERT_EQ(std::memcmp(is, wanted, static_cast<std::size_t>(p.channels) * sizeof(float)), 0);
    for (int64_t o = p.channels; o < p.lanes; ++o) ASSERT_EQ(is[o], 0);
  }
  for (std::size_t i = expected.size(); i < packed.size(); ++i) EXPECT_EQ(packed[i], kCanary);
}

void expectPacked(const PackPlan& p, Kernel kernel, const std::vector<float>& weights,
                  const std::vector<float>& expected) {
  for (std::size_t place : {0, 4}) expectPackedAt(place, p, kernel, weights, expected);
}

std::vector<float> expectedRows(const PackPlan& p, const std::vector<float>& weights) {
  std::vector<float> rows(static_cast<std::size_t>(p.inputs * p.taps * p.lanes));
  for (int64_t o = 0; o < p.channels; ++o) {
    for (int64_t i = 0; i < p.inputs; ++i) {
      for (int64_t k = 0; k < p.taps; ++k)
        rows[static_cast<std::size_t>((k * p.inputs + i) * p.lanes + o)] =
            weights[static_cast<std::size_t>((o * p.inputs + i) * p.taps + k)];
    }
  }
  return rows;
}

std::vector<float> expectedWinograd(const PackPlan& p, int64_t points,
                                    const std::vector<float>& weights) {
  std::vector<float> rows(static_cast<std::size_t>(points * points * p.inputs * p.lanes));
  for (int64_t i = 0; i < p.inputs; ++i)
    transformWinogradWeights(points, weights.data() + i * 9, p.inputs * 9, p.channels,
                             rows.data() + i * p.lanes, p.inputs * p.lanes);
  return rows;
}

class PackKernelsTest : public testing::TestWithParam<Isa> {
 protected:
  const PackKernels& kernels_ = packKernels(GetParam());
};

TEST_P(PackKernelsTest, RowsAreTransposed) {
  for (const auto& [channels, lanes] : kBlocks) {
    for (int64_t inputs : {1, 3, 15, 16, 40, 129}) {
      for (int64_t taps : {1, 3, 9, 49}) {
        const PackPlan p{channels, lanes, inputs, taps};
        SCOPED_TRACE(testing::Message() << channels << " of " << lanes << ", " << inputs
                                        << " inputs, " << taps << " taps");
        const std::vector<float> weights = randomWeights(p);
        expectPacked(p, kernels_.rows, weights, expectedRows(p, weights));
      }
    }
  }
}

TEST_P(PackKernelsTest, WinogradHasTheReferencesBits) {
  for (const auto& [channels, lanes] : kBlocks) {
    for (int64_t inputs : {1, 3, 15, 16, 17, 40, 129}) {
      const PackPlan p{channels, lanes, inputs, 9};
      SCOPED_TRACE(testing::Message() << channels << " of " << lanes << ", " << inputs);
      const std::vector<float> weights = randomWeights(p);
      expectPacked(p, kernels_.winograd2, weights, expectedWinograd(p, 4, weights));
      expectPacked(p, kernels_.winograd4, weights, expectedWinograd(p, 6, weights));
    }
  }
}

void expectBytes(const PackPlan& p, int64_t rows,
                 void (*kernel)(const PackPlan&, const int8_t*, float*),
                 const std::vector<int8_t>& weights, const std::vector<uint8_t>& expected) {
  const auto size = static_cast<std::size_t>(rows * p.lanes);
  std::vector<float> packed(size + 16, 17.0f);
  kernel(p, weights.data(), packed.data());
  EXPECT_EQ(std::memcmp(packed.data(), expected.data(), size * sizeof(float)), 0);
  for (std::size_t i = size; i < packed.size(); ++i) EXPECT_EQ(packed[i], 17.0f);
}

std::vector<int8_t> randomBytes(int64_t count) {
  std::mt19937 random(3);
  std::uniform_int_distribution<int> any(-128, 127);
  std::vector<int8_t> weights(static_cast<std::size_t>(count));
  for (int8_t& w : weights) w = static_cast<int8_t>(any(random));
  return weights;
}

TEST_P(PackKernelsTest, PairsAreRounded) {
  for (const auto& [channels, lanes] : kBlocks) {
    for (int64_t inputs : {2, 6, 16, 18, 64, 130}) {
      for (int64_t taps : {1, 3, 9, 49, 64}) {
        const PackPlan p{channels, lanes, inputs, taps};
        SCOPED_TRACE(testing::Message() << channels << " of " << lanes << ", " << inputs
                                        << " inputs, " << taps << " taps");
        std::vector<float> weights = randomWeights(p);
        const float extremes[] = {
            std::numeric_limits<float>::quiet_NaN(),   -std::numeric_limits<float>::signaling_NaN(),
            std::numeric_limits<float>::infinity(),    std::numeric_limits<float>::max(),
            -std::numeric_limits<float>::denorm_min(), std::bit_cast<float>(0x7f800001u),
            std::bit_cast<float>(0x3f808000u),         std::bit_cast<float>(0x3f818000u)};
        for (std::size_t i = 0; i < std::size(extremes) && i < weights.size(); ++i)
          weights[i] = extremes[i];
        std::vector<float> expected(static_cast<std::size_t>(inputs / 2 * taps * lanes));
        auto* halves = reinterpret_cast<uint16_t*>(expected.data());
        for (int64_t o = 0; o < channels; ++o) {
          for (int64_t i = 0; i < inputs; ++i) {
            for (int64_t k = 0; k < taps; ++k)
              halves[((k * inputs + i) / 2 * lanes + o) * 2 + i % 2] =
                  bfloat16FromFloat(weights[static_cast<std::size_t>((o * inputs + i) * taps + k)]);
          }
        }
        expectPacked(p, kernels_.pairs, weights, expected);
      }
    }
  }
}

// Rows of random places among some that stay as they are.
struct Order {
  std::vector<int64_t> places;
  int64_t rows = 0;  // with those

  explicit Order(int64_t count) : rows(count + count / 3) {
    std::mt19937 random(4);
    std::vector<int64_t> all(static_cast<std::size_t>(rows));
    std::iota(all.begin(), all.end(), 0);
    std::shuffle(all.begin(), all.end(), random);
    places.assign(all.begin(), all.begin() + count);
  }
};

TEST_P(PackKernelsTest, RowsKeepAnotherOrder) {
  const auto check = [](PackPlan p, int64_t rows, const auto& kernel) {
    SCOPED_TRACE(testing::Message() << p.inputs << " inputs, " << p.taps << " taps");
    const Order order(rows);
    const auto lanes = static_cast<std::size_t>(p.lanes);
    std::vector<float> plain(static_cast<std::size_t>(rows) * lanes);
    kernel(p, plain.data());
    std::vector<float> expected(static_cast<std::size_t>(order.rows) * lanes, 17.0f);
    for (std::size_t row = 0; row < static_cast<std::size_t>(rows); ++row)
      std::memcpy(&expected[static_cast<std::size_t>(order.places[row]) * lanes],
                  &plain[row * lanes], lanes * sizeof(float));
    std::vector<float> packed(expected.size(), 17.0f);
    p.order = order.places.data();
    kernel(p, packed.data());
    EXPECT_EQ(std::memcmp(packed.data(), expected.data(), expected.size() * sizeof(float)), 0);
  };
  for (int64_t channels : {5, 16}) {
    for (int64_t inputs : {4, 20, 64}) {
      for (int64_t taps : {1, 9}) {
        const PackPlan p{channels, 16, inputs, taps};
        const std::vector<float> weights = randomWeights(p);
        const std::vector<int8_t> bytes = randomBytes(channels * inputs * taps);
        check(p, inputs * taps, [&](const PackPlan& plan, float* packed) {
          kernels_.rows(plan, weights.data(), packed);
        });
        check(p, inputs / 2 * taps, [&](const PackPlan& plan, float* packed) {
          kernels_.pairs(plan, weights.data(), packed);
        });
        check(p, inputs / 4 * taps, [&](const PackPlan& plan, float* packed) {
          kernels_.byteRows(plan, bytes.data(), packed);
        });
      }
    }
  }
}

TEST_P(PackKernelsTest, CompandedPairsHaveTheCodesOfEachOutput) {
  for (int64_t channels : {1, 5, 16}) {
    for (int64_t inputs : {2, 20, 64, 130}) {
      for (int64_t taps : {1, 9}) {
        PackPlan p{channels, 16, inputs, taps};
        SCOPED_TRACE(testing::Message()
                     << channels << " channels, " << inputs << " inputs, " << taps << " taps");
        std::vector<float> weights = randomWeights(p);
        const auto count = static_cast<std::size_t>(inputs * taps);
        const auto at = [&](std::size_t o) { return weights.data() + o * count; };
        if (channels > 4) {
          at(0)[1] = std::numeric_limits<float>::infinity();
          at(1)[1] = std::numeric_limits<float>::quiet_NaN();
          std::fill_n(at(2), count, 1e-35f);
          at(3)[1] = -0.0f;
        }
        const Order order(inputs / 2 * taps);
        p.order = order.places.data();
        constexpr std::uint8_t kCanary = 17;
        std::vector<std::uint8_t> expected(static_cast<std::size_t>((order.rows + 1) / 2 * 64),
                                           kCanary);
        for (int64_t row : order.places)
          for (int64_t q = 0; q < 4; ++q)
            std::fill_n(&expected[static_cast<std::size_t>(row / 2 * 64 + row % 2 * 8 + q * 16)], 8,
                        std::uint8_t{0});
        std::vector<float> scales(16, 17.0f), expectedScales = scales;
        std::vector<std::uint8_t> packed(expected.size(), kCanary), codes(count);
        for (int64_t o = 0; o < channels; ++o) {
          expectedScales[static_cast<std::size_t>(o)] =
              Companding::encode({at(static_cast<std::size_t>(o)), count}, codes.data());
          for (int64_t i = 0; i < inputs; ++i) {
            for (int64_t k = 0; k < taps; ++k) {
              const int64_t row = order.places[static_cast<std::size_t>((k * inputs + i) / 2)];
              expected[static_cast<std::size_t>(row / 2 * 64 + o / 4 * 16 + row % 2 * 8 +
                                                o % 4 * 2 + i % 2)] =
                  codes[static_cast<std::size_t>(i * taps + k)];
            }
          }
        }
        kernels_.companded(p, weights.data(), scales.data(), packed.data());
        EXPECT_EQ(packed, expected);
        EXPECT_EQ(std::memcmp(scales.data(), expectedScales.data(), sizeof(float) * 16), 0);
      }
    }
  }
}

TEST_P(PackKernelsTest, BytesStandInWords) {
  for (const auto& [channels, lanes] : kBlocks) {
    for (int64_t inputs : {4, 12, 16, 20, 64, 132}) {
      for (int64_t taps : {1, 3, 9, 25, 49, 64}) {
        const PackPlan p{channels, lanes, inputs, taps};
        SCOPED_TRACE(testing::Message() << channels << " of " << lanes << ", " << inputs
                                        << " inputs, " << taps << " taps");
        const std::vector<int8_t> weights = randomBytes(channels * inputs * taps);
        std::vector<uint8_t> expected(static_cast<std::size_t>(inputs * taps * lanes));
        for (int64_t o = 0; o < channels; ++o) {
          for (int64_t i = 0; i < inputs; ++i) {
            for (int64_t k = 0; k < taps; ++k) {
              const int64_t word = (k * inputs + i) / 4 * lanes + o;
              expected[static_cast<std::size_t>(word * 4 + i % 4)] = static_cast<uint8_t>(
                  weights[static_cast<std::size_t>((o * inputs + i) * taps + k)]);
            }
          }
        }
        expectBytes(p, inputs / 4 * taps, kernels_.byteRows, weights, expected);
      }
    }
  }
}

TEST_P(PackKernelsTest, WinogradsIntegersAreTheReferences) {
  for (const auto& [channels, lanes] : kBlocks) {
    for (int64_t inputs : {4, 12, 16, 20, 64, 132}) {
      const PackPlan p{channels, lanes, inputs, 9};
      SCOPED_TRACE(testing::Message() << channels << " of " << lanes << ", " << inputs);
      const std::vector<int8_t> weights = randomBytes(channels * inputs * 9);
      ConvShape s;
      s.ci = inputs, s.co = channels, s.kh = s.kw = 3;
      for (ConvMethod method : {ConvMethod::kWinograd2, ConvMethod::kWinograd4}) {
        const bool two = method == ConvMethod::kWinograd2;
        const int64_t rows = inputs / 2 * (two ? 16 : 36);
        std::vector<uint8_t> expected(static_cast<std::size_t>(rows * lanes) * 4);
        packWinogradBytes(s, method, weights.data(), channels, lanes,
                          reinterpret_cast<float*>(expected.data()));
        expectBytes(p, rows, two ? kernels_.byteWinograd2 : kernels_.byteWinograd4, weights,
                    expected);
      }
    }
  }
}

TEST_P(PackKernelsTest, SumsAreExact) {
  std::mt19937 random(2);
  std::uniform_int_distribution<int> any(-128, 127);
  for (std::size_t count : {0, 1, 9, 15, 16, 63, 64, 65, 4096, 4608, 65535, 65536, 65537, 300000}) {
    std::vector<int8_t> weights(count);
    for (int8_t& w : weights)
      w = static_cast<int8_t>(count == 300000 || count == 4096 ? -128 : any(random));
    int64_t positive = 0, negative = 0;
    for (int8_t w : weights) (w > 0 ? positive : negative) += w;
    const SignedSums sums = kernels_.sums(weights.data(), static_cast<int64_t>(count));
    EXPECT_EQ(sums.positive, positive) << count;
    EXPECT_EQ(sums.negative, negative) << count;
    EXPECT_EQ(kernels_.sum(weights.data(), static_cast<int64_t>(count)), positive + negative)
        << count;
  }
}

INSTANTIATE_TEST_SUITE_P(EverySet, PackKernelsTest, testing::ValuesIn(availableIsas()),
                         [](const auto& set) { return std::string(isaName(set.param)); });

}  // namespace
}  // namespace layerwise::cpu
