// Matrix products of every available instruction set and of the emulated twins against a double
// loop.
#include "backends/cpu/simd/emulated.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "backends/cpu/kernel_table.h"
#include "backends/cpu/kernels/conv.h"

namespace layerwise::cpu {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kGuard = 12345.0f;

struct Engine {
  std::string name;
  int width, registers;
  MatMulKernel kernel;
};

std::vector<Engine> engines() {
  std::vector<Engine> all{{"emulated8", 8, 16, convKernels<Emulated<8>>().matMul},
                          {"emulated16", 16, 32, convKernels<Emulated<16>>().matMul}};
  for (Isa isa : availableIsas()) {
    const KernelTable& t = kernels(isa);
    all.push_back({isaName(isa), t.width, t.registers, t.conv->matMul});
  }
  return all;
}

TEST(MatMulKernels, MatchThePlainLoop) {
  std::mt19937 random(3);
  const auto pick = [&](int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  };
  std::uniform_real_distribution<float> uniform(-1, 1);
  for (int round = 0; round < 60 && !::testing::Test::HasFailure(); ++round) {
    MatMulPlan p;
    p.batch = pick(1, 3);
    p.m = round % 5 == 4 ? pick(100, 300) : pick(1, 20);
    p.n = pick(1, 70);
    p.k = pick(1, 40);
    p.transposeA = pick(0, 1);
    p.transposeB = pick(0, 1);
    const int64_t aRows = p.transposeA ? p.k : p.m, aColumns = p.transposeA ? p.m : p.k;
    const int64_t bRows = p.transposeB ? p.n : p.k, bColumns = p.transposeB ? p.k : p.n;
    p.aRow = aColumns + pick(0, 3);
    p.bRow = bColumns + pick(0, 3);
    p.cRow = p.n + pick(0, 3);
    p.aBatch = aRows * p.aRow;
    p.bBatch = pick(0, 1) * bRows * p.bRow;
    p.cBatch = p.m * p.cRow;
    if (pick(0, 1)) p.epilogue.activation = Activation::kSilu;
    const auto fill = [&](int64_t batchStride, int64_t rows, int64_t row, int64_t columns) {
      std::vector<float> v((batchStride ? p.batch : 1) * rows * row + 16, kNan);
      for (int64_t b = 0; b < (batchStride ? p.batch : 1); ++b)
        for (int64_t y = 0; y < rows; ++y)
          for (int64_t x = 0; x < columns; ++x) v[b * rows * row + y * row + x] = uniform(random);
      return v;
    };
    const std::vector<float> a = fill(p.aBatch, aRows, p.aRow, aColumns);
    const std::vector<float> b = fill(p.bBatch, bRows, p.bRow, bColumns);
    for (const Engine& engine : engines()) {
      SCOPED_TRACE(engine.name + " round " + std::to_string(round));
      const MatMulPlan plan =
          bindMatMul(p, engine.width, engine.registers, static_cast<int>(pick(1, 9)));
      std::vector<float> c(p.batch * p.cBatch + 16, kGuard), scratch(plan.scratchFloats, kNan);
      for (int64_t t = 0; t < plan.tiles; ++t) {
        engine.kernel(plan, a.data(), b.data(), c.data(), t, scratch.data());
      }
      for (int64_t i = 0; i < p.batch; ++i)
        for (int64_t y = 0; y < p.m; ++y)
          for (int64_t x = 0; x < p.n; ++x) {
            double sum = 0, size = 1;
            for (int64_t k = 0; k < p.k; ++k) {
              const double left =
                  a[i * p.aBatch + (p.transposeA ? k * p.aRow + y : y * p.aRow + k)];
              const double right =
                  b[i * p.bBatch + (p.transposeB ? x * p.bRow + k : k * p.bRow + x)];
              sum += left * right;
              size += std::abs(left * right);
            }
            if (p.epilogue.activation == Activation::kSilu) sum /= 1 + std::exp(-sum);
            float& got = c[i * p.cBatch + y * p.cRow + x];
            ASSERT_NEAR(got, sum, 2e-6 * size) << i << " " << y << " " << x;
            got = kGuard;
          }
      for (float v : c) ASSERT_EQ(v, kGuard);
    }
  }
}

}  // namespace
}  // namespace layerwise::cpu
