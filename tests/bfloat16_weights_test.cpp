// Weights rounded to bfloat16 so that their sums stay.
#include "quantization/bfloat16_weights.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "layers/float16.h"
#include "layerwise/builder.h"
#include "tests/graph_maker.h"

namespace layerwise {
namespace {

/// How far apart numbers of bfloat16 are around `x`.
double stepAt(float x) {
  return std::ldexp(1.0, std::ilogb(x) - 7);
}

std::vector<float> valuesOf(const ConstantData& data) {
  return {data.as<float>(), data.as<float>() + data.count};
}

bool isBFloat16(float x) {
  return (std::bit_cast<std::uint32_t>(x) & 0xffff) == 0;
}

TEST(BFloat16Weights, KeepTheSumOfEachOutput) {
  for (std::int64_t inputs : {1, 2, 5, 64, 577}) {
    for (std::int64_t kernel : {1, 3}) {
      constexpr std::int64_t kOutputs = 9;
      GraphMaker m;
      m.output(m.convolution(m.input("x", {1, inputs, 8, 8}), inputs, kOutputs, kernel), "y");
      m.graph.connect();
      const std::vector<float> before = valuesOf(m.graph.node(0).weights[0]);
      roundWeightsToBFloat16(m.graph, std::vector<NodeId>{0}, 2);
      const std::vector<float> after = valuesOf(m.graph.node(0).weights[0]);
      const auto terms = static_cast<std::size_t>(inputs * kernel * kernel);
      double nearest = 0, noise = 0;
      for (std::size_t first = 0; first < before.size(); first += terms) {
        double error = 0, step = 0;
        for (std::size_t i = first; i < first + terms; ++i) {
          ASSERT_TRUE(isBFloat16(after[i])) << after[i];
          const double off = static_cast<double>(after[i]) - before[i];
          ASSERT_LT(std::abs(off), stepAt(before[i])) << "not a neighbour of " << before[i];
          error += off;
          step = std::max(step, stepAt(before[i]));
          noise += off * off;
          const double plain = bfloat16ToFloat(bfloat16FromFloat(before[i])) - before[i];
          nearest += plain * plain;
        }
        EXPECT_LE(std::abs(error), step) << inputs << " inputs, kernel " << kernel;
      }
      // Next to the middle the farther neighbour is hardly farther.
      if (terms >= 64) {
        EXPECT_LT(noise, 1.25 * nearest) << inputs << " inputs, kernel " << kernel;
      }
    }
  }
}

TEST(BFloat16Weights, AreTheSameWithAnyThreads) {
  std::vector<float> first;
  for (int threads : {1, 2, 5}) {
    GraphMaker m;
    m.output(m.convolution(m.input("x", {1, 300, 4, 4}), 300, 500, 1), "y");
    m.graph.connect();
    roundWeightsToBFloat16(m.graph, std::vector<NodeId>{0}, threads);
    const std::vector<float> now = valuesOf(m.graph.node(0).weights[0]);
    if (first.empty()) first = now;
    EXPECT_EQ(now, first) << threads;
  }
}

TEST(BFloat16Weights, LeaveAloneWhatIsDepthwise) {
  GraphMaker m;
  ValueId x = m.convolution(m.input("x", {1, 8, 5, 5}), 8, 8, 3, 8);
  m.output(m.convolution(x, 8, 4, 1), "y");
  m.graph.connect();
  const std::vector<float> before[] = {valuesOf(m.graph.node(0).weights[0]),
                                       valuesOf(m.graph.node(1).weights[0])};
  roundWeightsToBFloat16(m.graph, std::vector<NodeId>{0, 1}, 1);
  EXPECT_EQ(valuesOf(m.graph.node(0).weights[0]), before[0]);
  EXPECT_NE(valuesOf(m.graph.node(1).weights[0]), before[1]);
}

TEST(BFloat16Weights, MayBeAnyNumbers) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr float kMost = std::numeric_limits<float>::max();
  const std::vector<float> odd{std::nanf(""), kInfinity, -kInfinity,  kMost,   -kMost, 0,
                               -0.0f,         1e-45f,    1.00390625f, -1e-40f, 1,      kMost};
  GraphMaker m;
  Convolution a{{.outputs = 4, .kernel = {1, 1}}};
  m.output(m.add(a, {m.input("x", {1, 3, 4, 4})}, {ConstantData::of(DataType::kFloat32, odd)}),
           "y");
  m.graph.connect();
  roundWeightsToBFloat16(m.graph, std::vector<NodeId>{0}, 1);
  const std::vector<float> after = valuesOf(m.graph.node(0).weights[0]);
  EXPECT_TRUE(std::isnan(after[0]));
  EXPECT_EQ(after[1], kInfinity);
  EXPECT_EQ(after[2], -kInfinity);
  for (float x : after) EXPECT_TRUE(isBFloat16(x)) << x;
}

/// What an engine of a 1x1 convolution makes of ones.
std::vector<float> resultsOnOnes(const std::vector<float>& kernel, std::int64_t outputs,
                                 DataType precision, std::optional<DataType> ofLayer = {}) {
  const auto inputs = static_cast<std::int64_t>(kernel.size()) / outputs;
  Network network;
  Tensor& x = network.addInput("x", DataType::kFloat32, {1, inputs, 4, 4});
  auto& layer = network.addConvolution(
      x, outputs, {1, 1},
      {DataType::kFloat32, kernel.data(), static_cast<std::int64_t>(kernel.size())});
  if (ofLayer) layer.setPrecision(*ofLayer);
  network.markOutput(layer.output(), "y");
  BuilderConfig config;
  config.optimizationLevel = 0;
  config.precision = precision;
  auto context = buildEngine(network, config)->createContext();
  const std::vector<float> ones(static_cast<std::size_t>(inputs) * 16, 1);
  std::vector<float> y(static_cast<std::size_t>(outputs) * 16);
  context->setInput("x", ones.data(), {1, inputs, 4, 4});
  context->setOutput("y", y.data());
  context->run();
  return y;
}

// Numbers that are all alike show the sum of the weights, and nothing else.
TEST(BFloat16Weights, MakeAnEngineExactOnOnes) {
  constexpr std::size_t kInputs = 512, kOutputs = 16;
  GraphMaker numbers;
  const std::vector<float> kernel = valuesOf(numbers.random(kInputs * kOutputs, 0.5, 1));
  const std::vector<float> y = resultsOnOnes(kernel, kOutputs, DataType::kBFloat16);
  for (std::size_t o = 0; o < kOutputs; ++o) {
    double sum = 0;
    for (std::size_t i = 0; i < kInputs; ++i) sum += kernel[o * kInputs + i];
    // A step of the weights; rounded each to the nearest they are some seven off.
    EXPECT_NEAR(y[o * 16], sum, 0x1p-8) << o;
  }
}

TEST(BFloat16Weights, AreNotThoseOfLayersThatStayInFloat32) {
  GraphMaker numbers;
  const std::vector<float> kernel = valuesOf(numbers.random(64 * 16));
  EXPECT_EQ(resultsOnOnes(kernel, 16, DataType::kBFloat16, DataType::kFloat32),
            resultsOnOnes(kernel, 16, DataType::kFloat32));
}

}  // namespace
}  // namespace layerwise
