#include <gtest/gtest.h>

#include <cmath>

#include "examples/add_network/tiny_classifier.cpp"
#include "layerwise/layerwise.h"

/// docs/add-a-network.md's worked example, built and run.
namespace layerwise {
namespace {

constexpr int kChannels = 4, kClasses = 3;

std::vector<float> ramp(int count, float first, float step) {
  std::vector<float> values;
  for (int i = 0; i < count; ++i) values.push_back(first + static_cast<float>(i % 11) * step);
  return values;
}

WeightMap weights() {
  WeightMap map;
  map.add("conv1.weight", ramp(kChannels * 27, -0.3f, 0.07f));
  map.add("bn1.weight", ramp(kChannels, 0.8f, 0.1f));
  map.add("bn1.bias", ramp(kChannels, -0.1f, 0.1f));
  map.add("bn1.running_mean", ramp(kChannels, 0.2f, 0.05f));
  map.add("bn1.running_var", ramp(kChannels, 0.5f, 0.3f));
  map.add("fc.weight", ramp(kClasses * kChannels, -0.5f, 0.1f));
  map.add("fc.bias", ramp(kClasses, 0.1f, 0.2f));
  return map;
}

NetworkRegistry registry() {
  NetworkRegistry made;
  registerNetwork_tiny_classifier(made);
  return made;
}

/// A picture of one value everywhere, by the arithmetic itself: at each of the outputs the taps
/// that lie inside the picture count.
std::vector<double> expected(const WeightMap& map, int size, double pixel) {
  const auto values = [&](const char* key) {
    return static_cast<const float*>(map.find(key).values);
  };
  std::vector<double> scores(kClasses);
  for (int c = 0; c < kChannels; ++c) {
    double mean = 0;
    for (int y = 0; y < size / 2; ++y)
      for (int x = 0; x < size / 2; ++x) {
        double sum = 0;
        for (int tap = 0; tap < 27; ++tap) {
          const int row = 2 * y - 1 + tap / 3 % 3, column = 2 * x - 1 + tap % 3;
          if (row >= 0 && column >= 0 && row < size && column < size)
            sum += pixel * values("conv1.weight")[c * 27 + tap];
        }
        const double norm = (sum - values("bn1.running_mean")[c]) /
                                std::sqrt(values("bn1.running_var")[c] + 1e-5) *
                                values("bn1.weight")[c] +
                            values("bn1.bias")[c];
        mean += norm / (1 + std::exp(-norm)) / (size / 2 * size / 2);
      }
    for (int k = 0; k < kClasses; ++k)
      scores[static_cast<std::size_t>(k)] += mean * values("fc.weight")[k * kChannels + c];
  }
  for (int k = 0; k < kClasses; ++k) scores[static_cast<std::size_t>(k)] += values("fc.bias")[k];
  return scores;
}

TEST(AddNetwork, ComputesWhatItsWeightsSay) {
  const WeightMap map = weights();
  constexpr int kSize = 16;
  constexpr float kPixel = 0.7f;
  const Network network =
      registry().define("tiny_classifier", map, {{"imgsz", std::to_string(kSize)}});
  EXPECT_TRUE(map.unusedKeys().empty());
  const auto engine = buildEngine(network, {.optimizationLevel = 0});
  EXPECT_EQ(engine->metadata().at("classes"), std::to_string(kClasses));

  const auto context = engine->createContext();
  const std::vector<float> images(3 * kSize * kSize, kPixel);
  std::vector<float> scores(kClasses);
  ASSERT_EQ(context->outputDims("scores"), (Dims{1, kClasses}));
  context->setInput("images", images.data(), {1, 3, kSize, kSize});
  context->setOutput("scores", scores.data());
  context->run();
  const std::vector<double> wanted = expected(map, kSize, kPixel);
  for (std::size_t k = 0; k < kClasses; ++k) EXPECT_NEAR(scores[k], wanted[k], 1e-5);
}

TEST(AddNetwork, AMissingKeyAndAWrongCountAreNamed) {
  WeightMap missing;
  missing.add("bn1.weight", {1, 2});
  try {
    registry().define("tiny_classifier", missing);
    FAIL() << "built without weights";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kMissingWeights);
    EXPECT_NE(std::string(error.what()).find("fc.bias"), std::string::npos) << error.what();
  }
  WeightMap wrong;
  wrong.add("bn1.weight", {1, 2});
  wrong.add("fc.bias", {1, 2, 3});
  wrong.add("conv1.weight", {1, 2, 3});
  try {
    registry().define("tiny_classifier", wrong);
    FAIL() << "took 3 weights for 54";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("54"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace layerwise
