#include "examples/upsample_plugin/upsample.h"

#include <gtest/gtest.h>

#include <numeric>

#include "layerwise/layerwise.h"

/// docs/plugins.md's worked example, used as it says.
namespace layerwise {
namespace {

constexpr std::int64_t kHeight = 5, kWidth = 7, kChannels = 3, kScale = 2, kBatch = 2;
const Dims kInput{kBatch, kChannels, kHeight, kWidth};

/// The map enlarged by the plugin and, beside it, by the built-in layer.
Network bothWays() {
  Network network;
  Tensor& x = network.addInput("x", DataType::kFloat32, kInput);
  auto& plugin = network.addPlugin({&x}, std::make_shared<Upsample>(kScale));
  network.markOutput(plugin.output(), "plugin");
  auto& resize = network.addResize(x);
  resize->scales = {1, 1, kScale, kScale};
  network.markOutput(resize.output(), "resize");
  return network;
}

std::vector<float> run(const Engine& engine, const char* output) {
  std::vector<float> input(static_cast<std::size_t>(kInput.volume()));
  std::iota(input.begin(), input.end(), -20.0f);
  auto context = engine.createContext({.threads = 3});
  context->setInput("x", input.data(), kInput);
  std::vector<float> plugin(static_cast<std::size_t>(context->outputDims("plugin").volume()));
  std::vector<float> resize(static_cast<std::size_t>(context->outputDims("resize").volume()));
  context->setOutput("plugin", plugin.data());
  context->setOutput("resize", resize.data());
  context->run();
  return std::string_view(output) == "plugin" ? plugin : resize;
}

TEST(UpsamplePlugin, EqualsTheBuiltInResizeAndComesBackFromAnEngineFile) {
  auto built = buildEngine(bothWays(), {.optimizationLevel = 0});
  const std::vector<float> expected = run(*built, "resize");
  ASSERT_EQ(expected.size(), static_cast<std::size_t>(kInput.volume() * kScale * kScale));
  EXPECT_EQ(run(*built, "plugin"), expected);

  const std::vector<std::byte> plan = built->serialize();
  try {
    Engine::deserialize(plan);
    FAIL() << "a plugin that this program did not register was found";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported) << error.what();
  }
  registerPlugin("Upsample", 1, Upsample::create);
  EXPECT_EQ(run(*Engine::deserialize(plan), "plugin"), expected);
}

TEST(UpsamplePlugin, RefusesWhatItCannotTake) {
  EXPECT_THROW(Upsample(0), Error);
  Network network;
  Tensor& x = network.addInput("x", DataType::kFloat32, {3, 4});
  auto& layer = network.addPlugin({&x}, std::make_shared<Upsample>(kScale));
  EXPECT_THROW(layer.output().dims(), Error);
}

}  // namespace
}  // namespace layerwise
