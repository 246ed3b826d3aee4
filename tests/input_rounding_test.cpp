// What calibration does about the rounding of what layers read: residuals in float32, mean errors
// in the biases, whole ranges for tensors whose channels were evened up to a bound.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "layers/quantized_convolution.h"
#include "layerwise/builder.h"
#include "passes/rewrite.h"
#include "quantization/equalize.h"
#include "quantization/float_residuals.h"
#include "quantization/input_errors.h"
#include "quantization/layer_moments.h"
#include "quantization/quantize_graph.h"
#include "quantization/round_weights.h"
#include "tests/graph_maker.h"
#include "tests/reference_executor.h"

namespace layerwise {
namespace {

const Dims kDims = {1, 8, 9, 7};

/// Two blocks with residuals; both sums are read by a further layer, the first one by the second
/// block's sum, too.
struct Blocks {
  GraphMaker m;
  ValueId first = kNone, second = kNone;

  Blocks() {
    ValueId x = m.input("x", kDims);
    first = m.convolution(x, 8, 16, 1);
    second = m.elementwise(first, block(first), ElementWiseOperation::kSum);
    m.output(m.convolution(second, 16, 5, 1), "y");
    m.graph.connect();
  }

  ValueId block(ValueId value) {
    ValueId wide = m.activation(m.convolution(value, 16, 24, 1), ActivationType::kClip, 0, 6);
    return m.convolution(wide, 24, 16, 1);
  }
};

/// Small numbers but for one pixel: `peak` times as large.
ReferenceTensor picture(GraphMaker& m, double peak) {
  ReferenceTensor x = m.randomTensor(kDims);
  for (std::size_t i = 0; i < x.values.size(); ++i)
    if (i % 63 == 20) x.values[i] *= peak;
  return x;
}

CalibrationSource source(const std::vector<float>& numbers) {
  return [&numbers, left = 2](CalibrationBatch& batch) mutable {
    batch.inputs["x"] = {numbers.data(), kDims};
    return left-- > 0;
  };
}

std::vector<double> run(const Graph& graph, const ReferenceTensor& x) {
  return ReferenceExecutor(graph).run({{"x", x}}).at("y").values;
}

double noise(const std::vector<double>& want, const std::vector<double>& got) {
  double sum = 0;
  for (std::size_t i = 0; i < want.size(); ++i) sum += (want[i] - got[i]) * (want[i] - got[i]);
  return sum;
}

TEST(FloatResiduals, AreWhatSumsAndLayersReadAndNobodyElse) {
  for (int way = 0; way < 4; ++way) {
    Blocks blocks;
    if (way == 1) blocks.m.output(blocks.first, "first");
    if (way == 2) blocks.m.graph.value(blocks.first).range = {-1, 1};
    if (way == 3) blocks.m.output(blocks.m.activation(blocks.first, ActivationType::kTanh), "tanh");
    blocks.m.graph.connect();
    EXPECT_EQ(residuals(blocks.m.graph),
              way == 0 ? std::vector<ValueId>{blocks.first} : std::vector<ValueId>{})
        << way;
  }
}

TEST(FloatResiduals, ACopyForLayersHasChannelsOfItsOwn) {
  Blocks blocks;
  ReferenceTensor x = picture(blocks.m, 1);
  Graph graph = blocks.m.graph;
  const std::vector<double> want = run(graph, x);
  const std::size_t groups = equalizationGroups(graph).size();
  const ValueId copy = copyForLayers(graph, blocks.first, "copy");
  auto after = equalizationGroups(graph);
  EXPECT_EQ(after.size(), groups + 1);
  auto group = std::find_if(after.begin(), after.end(), [&](const EqualizationGroup& g) {
    return g.values == std::vector<ValueId>{copy};
  });
  ASSERT_NE(group, after.end());
  std::vector<double> factors;
  for (std::int64_t c = 0; c < group->channels; ++c) factors.push_back(1 + c % 3);
  ASSERT_TRUE(scaleChannels(graph, *group, factors));
  const std::vector<double> got = run(graph, x);
  for (std::size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-4) << i;
}

TEST(FloatResiduals, WhatBytesHoldBadlyStaysInFloatAndTheTableSaysSo) {
  for (bool peaked : {false, true}) {
    Blocks blocks;
    ReferenceTensor x = picture(blocks.m, peaked ? 100 : 1);
    const std::vector<float> numbers(x.values.begin(), x.values.end());
    auto quantize = [&](Graph graph, CalibrationTable& table) {
      auto calibrator = makeCalibrator(CalibrationMethod::kMinMax, source(numbers));
      BuilderConfig config{.threads = 1, .int8 = true};
      config.calibrator = calibrator.get();
      config.calibrationTable = &table;
      quantizeGraph(graph, config);
      return graph;
    };
    CalibrationTable table, none;
    const Graph graph = quantize(blocks.m.graph, table);
    int floats = 0;
    for (const Node& node : graph.nodes)
      if (auto* layer = node.kind ? node.as<QuantizedConvolution>() : nullptr)
        floats += layer->outputType == DataType::kFloat32;
    EXPECT_EQ(floats, peaked ? 2 : 1);  // the last layer's is float in any case
    const std::string& name = blocks.m.graph.value(blocks.first).name;
    EXPECT_EQ(table.ranges.contains(name), !peaked);
    EXPECT_EQ(table.ranges.contains(nameOfCopy(name)), peaked);
    // The table gives the same again.
    const std::vector<double> got = run(graph, x);
    EXPECT_EQ(run(quantize(blocks.m.graph, table), x), got);
    if (!peaked) continue;
    // In bytes, which a range of the user's asks for, the residual costs more.
    Graph inBytes = blocks.m.graph;
    auto values = ReferenceExecutor(inBytes).runAll({{"x", x}});
    const auto& residual = values[static_cast<std::size_t>(blocks.first)].values;
    auto [low, high] = std::minmax_element(residual.begin(), residual.end());
    inBytes.value(blocks.first).range = {*low, *high};
    const std::vector<double> want = run(blocks.m.graph, x);
    EXPECT_LT(noise(want, got), 0.7 * noise(want, run(quantize(inBytes, none), x)));
  }
}

// The mean of what a layer gives is the float layer's, whatever rounding and cutting do to its
// inputs, of full convolutions, depthwise ones and fully connected layers.
TEST(InputErrors, GoIntoTheBias) {
  for (int way = 0; way < 3; ++way) {
    GraphMaker m;
    ValueId x = m.input("x", kDims);
    ValueId a = m.activation(m.convolution(x, 8, 12, 1), ActivationType::kRelu);
    ValueId y =
        way == 0   ? m.convolution(a, 12, 5, 1)
        : way == 1 ? m.convolution(a, 12, 12, 1, 12)
                   : m.add(FullyConnected{.outputs = 5}, {a}, {m.random(5 * 12 * 63), m.random(5)});
    m.output(y, "y");
    m.graph.connect();
    const NodeId layer = m.graph.value(y).producer;
    const Node& node = m.graph.node(layer);
    ReferenceTensor picture = m.randomTensor(kDims);
    const std::vector<float> numbers(picture.values.begin(), picture.values.end());
    CalibrationBatch batch;
    batch.inputs["x"] = {numbers.data(), kDims};
    RangeOf rangeOf = [](ValueId) { return std::pair<double, double>(0, 0.7); };
    const InputErrors errors = inputErrors(m.graph, {layer}, rangeOf, {&batch, 1}, {.threads = 1});
    const std::vector<double>& error = errors.at(node.name);
    ASSERT_EQ(error.size(), way == 2 ? 12u * 63 : 12u);
    // What the layer reads, and what 8 bits make of it.
    const ReferenceTensor in =
        ReferenceExecutor(m.graph).runAll({{"x", picture}})[static_cast<std::size_t>(a)];
    const std::vector<float> read(in.values.begin(), in.values.end());
    LayerMoments moments(node);
    moments.add(read, in.info.dims);
    const auto rounded = roundWeights(node, moments, false, error);
    const auto plain = roundWeights(node, moments);

    auto meanError = [&](const std::vector<ConstantData>& weights) {
      const TensorQuantization q = quantizationOf(0, 0.7);
      const std::size_t outputs = static_cast<std::size_t>(weights[1].count);
      const std::size_t depth = static_cast<std::size_t>(weights[0].count) / outputs;
      const std::vector<double> kernel = readConstant(node.weights[0]),
                                bias = readConstant(node.weights[1]);
      double most = 0;
      for (std::size_t o = 0; o < outputs; ++o) {
        double sum = 0;
        const std::size_t positions = way == 2 ? 1 : 63;
        for (std::size_t p = 0; p < positions; ++p) {
          sum += weights[2].as<float>()[o] - bias[o];
          for (std::size_t i = 0; i < depth; ++i) {
            const double number = in.values[((way == 1 ? o : 0) + i) * positions + p];
            const double byte = std::clamp(std::nearbyint(number / q.scale), 0.0, 255.0) * q.scale;
            sum += double{weights[1].as<float>()[o]} * weights[0].as<std::int8_t>()[o * depth + i] *
                       byte -
                   kernel[o * depth + i] * number;
          }
        }
        most = std::max(most, std::abs(sum) / static_cast<double>(positions));
      }
      return most;
    };
    EXPECT_LT(meanError(rounded), 1e-4) << way;
    EXPECT_GT(meanError(plain), 1e-2) << way;
  }
}

// A range that cuts off the largest numbers of one channel cuts off those of all, once they reach
// as far.
TEST(EvenedChannels, KeepTheirEndsUnderABound) {
  Blocks blocks;
  std::vector<std::vector<float>> pictures;
  for (int i = 0; i < 40; ++i) {
    ReferenceTensor x = picture(blocks.m, i == 7 ? 100 : 1);
    pictures.emplace_back();
    for (double number : x.values) pictures.back().push_back(static_cast<float>(number / 100));
  }
  auto rangeBy = [&](CalibrationMethod method) {
    Graph graph = blocks.m.graph;
    auto next = [&, i = std::size_t{0}](CalibrationBatch& batch) mutable {
      if (i == pictures.size()) return false;
      batch.inputs["x"] = {pictures[i++].data(), kDims};
      return true;
    };
    auto calibrator = makeCalibrator(method, next, 99);
    BuilderConfig config{.threads = 1, .int8 = true};
    config.calibrator = calibrator.get();
    CalibrationTable table;
    config.calibrationTable = &table;
    quantizeGraph(graph, config);
    for (const Node& node : blocks.m.graph.nodes)
      if (node.as<Activation>()) {
        EXPECT_TRUE(table.channelFactors.contains(blocks.m.graph.value(node.inputs[0]).name));
        return table.ranges.at(blocks.m.graph.value(node.outputs[0]).name);
      }
    return CalibratedRange();
  };
  EXPECT_EQ(rangeBy(CalibrationMethod::kMse), rangeBy(CalibrationMethod::kMinMax));
  EXPECT_LT(rangeBy(CalibrationMethod::kPercentile).second,
            rangeBy(CalibrationMethod::kMinMax).second);
}

}  // namespace
}  // namespace layerwise
