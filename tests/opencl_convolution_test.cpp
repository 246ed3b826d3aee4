// NVIDIA's kernels of convolutions (backends/opencl/nvidia/conv.h), on such a device or emulated on
// another; attributes and sizes are layers_test's.
#include <gtest/gtest.h>

#ifdef LAYERWISE_HAS_OPENCL

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <random>

#include "backends/opencl/discovery.h"
#include "backends/opencl/nvidia/conv_strip.h"
#include "backends/opencl/nvidia/conv_trial.h"

namespace layerwise::opencl {
namespace {

class NvidiaConvolutions : public testing::Test {
 protected:
  static void SetUpTestSuite() { ::setenv("LAYERWISE_OPENCL_EMULATE_PTX", "1", 1); }
  void SetUp() override {
    device_ = findDevice("opencl");
    if (!device_ || !nvidiaConvWorks(*device_, {ConvMath::kTf32, ConvUnit::kWarp}))
      GTEST_SKIP() << "there is no device that has tensor cores or emulates them";
  }
  const Device* device_ = nullptr;
};

TEST_F(NvidiaConvolutions, WorkInEveryArithmetic) {
  for (ConvMath math : {ConvMath::kBytes, ConvMath::kHalf, ConvMath::kTf32, ConvMath::kTf32x3})
    for (ConvUnit unit : {ConvUnit::kWarp, ConvUnit::kPatch}) {
      const Capabilities& can = device_->capabilities();
      if (unit == ConvUnit::kPatch && !can.emulatesPtx && can.computeCapability != 90) continue;
      EXPECT_TRUE(nvidiaConvWorks(*device_, {math, unit})) << convName({math, unit});
      if (unit == ConvUnit::kPatch && (math == ConvMath::kHalf || math == ConvMath::kTf32)) {
        EXPECT_TRUE(stripConvWorks(*device_, math)) << convName({math, unit});
      }
    }
}

// All factors being positive, errors of one sign add up: what the tensor cores cut off must not be
// missing.
TEST_F(NvidiaConvolutions, SumsInTf32AreNoSmallerOnAverage) {
  for (bool logarithms : {false, true}) {
    std::mt19937 random(5);
    auto draw = [&] {
      const float evenly = static_cast<float>(random()) * 0x1p-32f;
      return logarithms ? std::exp2(-8 * evenly) : evenly;
    };
    ConvTrial exact(ConvMath::kFloat, 36, 1), tf32(ConvMath::kTf32, 36, 1);
    for (float& v : exact.input) v = draw();
    for (float& v : exact.weights) v = draw();
    std::fill(exact.bias.begin(), exact.bias.end(), 0.0f);
    tf32.input = exact.input, tf32.weights = exact.weights, tf32.bias = exact.bias;
    const ConvProblem& p = tf32.problem;
    ConvBinding b;
    b.problem = p;
    b.cut.tile = convTiles({ConvMath::kTf32, ConvUnit::kWarp}).back();
    b.in = tf32.inputTensor();
    b.out =
        tf32.outputTensor(DataType::kFloat32, {p.images, p.outChannels, p.outHeight, p.outWidth});
    const auto packed = uploadConv(*device_, b.cut.tile, p, tf32.weights, tf32.bias);
    const std::vector<double> want = exact.sums(),
                              got = tf32.run(*device_, bindNvidiaConv(*device_, b, *packed), b.out);
    double mean = 0;
    for (std::size_t i = 0; i < want.size(); ++i) mean += got[i] / want[i] - 1;
    mean /= static_cast<double>(want.size());
    EXPECT_LT(std::abs(mean), 3e-5) << (logarithms ? "logarithms" : "magnitudes");
    const std::vector<double> cut = tf32.sums();
    double lost = 0;
    for (std::size_t i = 0; i < want.size(); ++i) lost += 1 - cut[i] / want[i];
    EXPECT_GT(lost / static_cast<double>(want.size()), 3e-4);
  }
}

// As precise as sums of floats, though every product takes place in TF32 and the tensor cores cut
// off what they add.
TEST_F(NvidiaConvolutions, SumsOfThreeProductsAreAsPreciseAsFloats) {
  std::mt19937 random(6);
  auto draw = [&](float least) {
    return least + static_cast<float>(random()) * 0x1p-32f * (1 - least);
  };
  for (ConvUnit unit : {ConvUnit::kWarp, ConvUnit::kWarpgroup, ConvUnit::kPatch})
    for (float least : {0.0f, -1.0f}) {
      if (!nvidiaConvWorks(*device_, {ConvMath::kTf32x3, unit})) continue;
      ConvTrial trial(ConvMath::kTf32x3, 200, 1);
      for (float& v : trial.input) v = draw(least);
      for (float& v : trial.weights) v = draw(least);
      ConvTrial magnitudes = trial;
      for (std::vector<float>* values : {&magnitudes.input, &magnitudes.weights, &magnitudes.bias})
        for (float& v : *values) v = std::abs(v);
      const ConvProblem& p = trial.problem;
      ConvBinding b;
      b.problem = p;
      b.cut.tile = convTiles({ConvMath::kTf32x3, unit}).front();
      b.in = trial.inputTensor();
      b.out = trial.outputTensor(DataType::kFloat32,
                                 {p.images, p.outChannels, p.outHeight, p.outWidth});
      const auto packed = uploadConv(*device_, b.cut.tile, p, trial.weights, trial.bias);
      const std::vector<double> want = trial.sums(), terms = magnitudes.sums(),
                                got = trial.run(*device_, bindNvidiaConv(*device_, b, *packed),
                                                b.out);
      double most = 0;
      for (std::size_t i = 0; i < want.size(); ++i)
        most = std::max(most, std::abs(got[i] - want[i]) / terms[i]);
      // What direct convolutions in float32 may differ by (docs/performance.md).
      EXPECT_LT(most, 2e-6) << convName({ConvMath::kTf32x3, unit}) << " from " << least;
    }
}

}  // namespace
}  // namespace layerwise::opencl

#endif
