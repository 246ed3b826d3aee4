#include "layerwise/vector_math.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace layerwise {
namespace {

std::vector<float> sample(std::size_t count) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i)
    values[i] = 20.0f * std::sin(static_cast<float>(i) * 1.7f);
  return values;
}

TEST(VectorMath, AgreesWithTheStandardLibrary) {
  for (std::size_t count : {0, 1, 7, 16, 85, 1000}) {
    const std::vector<float> x = sample(count);
    std::vector<float> sigmoids = x, exponents = x;
    applySigmoid(sigmoids);
    applyExp(exponents);
    for (std::size_t i = 0; i < count; ++i) {
      const double e = std::exp(static_cast<double>(x[i]));
      EXPECT_NEAR(exponents[i], e, 4e-7 * e) << x[i];
      EXPECT_NEAR(sigmoids[i], e / (1 + e), 4e-7 * e / (1 + e)) << x[i];
    }
  }
}

TEST(VectorMath, AValueDependsOnItAlone) {
  const std::vector<float> x = sample(100);
  std::vector<float> together = x;
  applySigmoid(together);
  for (std::size_t i = 0; i < x.size(); ++i) {
    float alone = x[i];
    applySigmoid({&alone, 1});
    EXPECT_EQ(alone, together[i]);
  }
}

TEST(VectorMath, TouchesNothingBehindTheValues) {
  std::vector<float> x(40, 2.0f);
  applySigmoid({x.data(), 21});
  EXPECT_NE(x[20], 2.0f);
  for (std::size_t i = 21; i < x.size(); ++i) EXPECT_EQ(x[i], 2.0f);
}

TEST(VectorMath, Extremes) {
  std::vector<float> x = {200.0f, -200.0f, std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity()};
  applySigmoid(x);
  EXPECT_EQ(x[0], 1.0f);
  EXPECT_LT(x[1], 1e-30f);
  EXPECT_EQ(x[2], 1.0f);
  EXPECT_LT(x[3], 1e-30f);
}

}  // namespace
}  // namespace layerwise
