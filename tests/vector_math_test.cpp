#include "layerwise/vector_math.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "tests/page_end.h"

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

TEST(VectorMath, RowsOfAMatrix) {
  for (std::int64_t length : {1, 5, 16, 85})
    for (std::int64_t gap : {0, 1, 40})
      for (std::int64_t rows : {0, 1, 2, 20}) {
        const std::int64_t fromStep = length + gap, toStep = length + 3;
        const std::size_t count =
            rows == 0 ? 0 : static_cast<std::size_t>((rows - 1) * fromStep + length);
        const std::vector<float> x = sample(count);
        // Nothing behind the last number may be read.
        const test::PageEnd memory(count * sizeof(float));
        auto* from = reinterpret_cast<float*>(memory.data());
        std::copy(x.begin(), x.end(), from);
        std::vector<float> out(static_cast<std::size_t>(rows * toStep), -1.0f);
        applySigmoid(from, fromStep, out.data(), toStep, rows, length);
        applySigmoid(from, fromStep, from, fromStep, rows, length);
        for (std::int64_t r = 0; r < rows; ++r)
          for (std::int64_t i = 0; i < toStep; ++i) {
            const float value = out[static_cast<std::size_t>(r * toStep + i)];
            if (i >= length) {
              ASSERT_EQ(value, -1.0f);
              continue;
            }
            float alone = x[static_cast<std::size_t>(r * fromStep + i)];
            applySigmoid({&alone, 1});
            ASSERT_EQ(value, alone);
            ASSERT_EQ(from[r * fromStep + i], alone);
          }
      }
}

TEST(VectorMath, TransposesAnyMatrix) {
  for (std::int64_t rows : {1, 7, 16, 33})
    for (std::int64_t columns : {1, 5, 16, 80}) {
      const std::int64_t fromStep = columns + 2, toStep = rows + 1;
      const std::vector<float> x =
          sample(static_cast<std::size_t>((rows - 1) * fromStep + columns));
      const test::PageEnd memory(x.size() * sizeof(float));
      auto* from = reinterpret_cast<float*>(memory.data());
      std::copy(x.begin(), x.end(), from);
      std::vector<float> out(static_cast<std::size_t>(columns * toStep), 99.0f);
      transpose(from, fromStep, out.data(), toStep, rows, columns);
      for (std::int64_t c = 0; c < columns; ++c)
        for (std::int64_t r = 0; r < toStep; ++r)
          ASSERT_EQ(out[static_cast<std::size_t>(c * toStep + r)],
                    r < rows ? from[r * fromStep + c] : 99.0f);
    }
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
