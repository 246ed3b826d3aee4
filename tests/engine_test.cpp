#include <gtest/gtest.h>

#include <random>

#include "layerwise/builder.h"
#include "layerwise/error.h"

namespace layerwise {
namespace {

std::vector<float> randomValues(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

std::vector<float> run(ExecutionContext& context, const std::vector<float>& x, const Dims& dims) {
  context.setInput("x", x.data(), dims);
  std::vector<float> y(static_cast<std::size_t>(context.outputDims("y").volume()));
  context.setOutput("y", y.data());
  context.run();
  return y;
}

TEST(Engine, RunsAnActivation) {
  Network network;
  Tensor& x = network.addInput("x", DataType::kFloat32, {1, 3, 4, 5});
  network.markOutput(network.addActivation(x, ActivationType::kRelu).output(), "y");
  auto engine = buildEngine(network, {.threads = 2, .optimizationLevel = 0});
  auto context = engine->createContext();
  std::vector<float> in = randomValues(60, 1);
  std::vector<float> out = run(*context, in, {1, 3, 4, 5});
  for (std::size_t i = 0; i < in.size(); ++i) EXPECT_EQ(out[i], std::max(0.0f, in[i]));
}

}  // namespace
}  // namespace layerwise
