#include "backends/cpu/companded_weights.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "layers/float16.h"

namespace layerwise::cpu {
namespace {

std::vector<float> decoded(float scale, const std::vector<std::uint8_t>& codes) {
  std::vector<float> weights;
  for (std::uint8_t code : codes) {
    const float value = scale * bfloat16ToFloat(Companding::magnitudes()[code & 0x7f]);
    weights.push_back(code & 0x80 ? -value : value);
  }
  return weights;
}

// Decibels of signal to noise.
double quality(const std::vector<float>& weights) {
  std::vector<std::uint8_t> codes(weights.size());
  const std::vector<float> rounded = decoded(Companding::encode(weights, codes.data()), codes);
  double signal = 0, noise = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    signal += static_cast<double>(weights[i]) * weights[i];
    noise += std::pow(static_cast<double>(rounded[i]) - weights[i], 2);
  }
  return 10 * std::log10(signal / noise);
}

template <class Distribution>
std::vector<float> drawn(Distribution distribution, float factor = 1) {
  std::mt19937 random(1);
  std::vector<float> weights(4608);
  for (float& w : weights) w = factor * static_cast<float>(distribution(random));
  return weights;
}

TEST(Companding, MagnitudesAscendFromZeroToOne) {
  const auto magnitudes = Companding::magnitudes();
  EXPECT_EQ(bfloat16ToFloat(magnitudes.front()), 0);
  EXPECT_EQ(bfloat16ToFloat(magnitudes.back()), 1);
  for (std::size_t i = 1; i < magnitudes.size(); ++i) EXPECT_GT(magnitudes[i], magnitudes[i - 1]);
}

TEST(Companding, IsAsGoodAsItsHeaderSays) {
  for (float factor : {1e-25f, 0.02f, 1.0f, 1e30f}) {
    EXPECT_GT(quality(drawn(std::normal_distribution<double>(), factor)), 42.3);
    EXPECT_GT(quality(drawn(std::uniform_real_distribution<double>(-1, 1), factor)), 43);
  }
  std::exponential_distribution<double> side;
  std::bernoulli_distribution sign;
  const auto laplace = [&](std::mt19937& random) {
    return sign(random) ? side(random) : -side(random);
  };
  EXPECT_GT(quality(drawn(laplace)), 40.8);
}

TEST(Companding, TakesTheNearestMagnitude) {
  const std::vector<float> weights = drawn(std::normal_distribution<double>());
  float largest = 0;
  for (float w : weights) largest = std::max(largest, std::abs(w));
  std::vector<std::uint8_t> codes(weights.size());
  Companding::encode(weights, codes.data());
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const double x = std::abs(weights[i]) / largest;
    const auto far = [&](int code) {
      return std::abs(bfloat16ToFloat(Companding::magnitudes()[static_cast<std::size_t>(code)]) -
                      x);
    };
    const int code = codes[i] & 0x7f;
    // Nearest by the logarithm, and magnitudes are rounded to bfloat16.
    const double tolerance = 3 * 0x1p-9 * x;
    EXPECT_LE(far(code), far(std::max(code - 1, 0)) + tolerance);
    EXPECT_LE(far(code), far(std::min(code + 1, 127)) + tolerance);
    EXPECT_EQ(codes[i] >> 7 != 0, std::signbit(weights[i]));
  }
}

TEST(Companding, ZerosAndWhatIsNearlyNoneBecomeZeros) {
  std::vector<std::uint8_t> codes(3, 1);
  const std::vector<float> zeros(3);
  EXPECT_EQ(Companding::encode(zeros, codes.data()), 0);
  EXPECT_EQ(codes, std::vector<std::uint8_t>(3, 0));
  EXPECT_TRUE(Companding::fits(zeros));
  EXPECT_EQ(Companding::encode(std::vector<float>{1e-38f, 1e-42f, 0}, codes.data()), 0);
  EXPECT_EQ(codes, std::vector<std::uint8_t>(3, 0));
}

TEST(Companding, DoesNotFitWhatItWouldSpoil) {
  std::vector<float> weights = drawn(std::normal_distribution<double>());
  EXPECT_TRUE(Companding::fits(weights));
  std::vector<float> outlier = weights;
  outlier[7] = 1e4f;  // the others become zero, which is little beside its square
  EXPECT_GT(quality(outlier), 40);
  EXPECT_FALSE(Companding::fits(outlier));
  for (float bad : {std::numeric_limits<float>::infinity(), std::nanf("")}) {
    weights[9] = bad;
    std::vector<std::uint8_t> codes(weights.size());
    EXPECT_FALSE(std::isfinite(Companding::encode(weights, codes.data())));
    EXPECT_FALSE(Companding::fits(weights));
  }
}

}  // namespace
}  // namespace layerwise::cpu
