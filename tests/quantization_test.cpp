// 8 bits: what passes make of Quantize and Dequantize, ranges, and tables. Engines:
// int8_engine_test.cpp.
#include "passes/quantization.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "layers/activate.h"
#include "layers/quantized_convolution.h"
#include "layerwise/calibrator.h"
#include "layerwise/error.h"
#include "passes/passes.h"
#include "tests/graph_maker.h"
#include "tests/reference_executor.h"
#include "tests/signal_to_noise.h"

namespace layerwise {
namespace {

using Kinds = std::vector<std::string>;

Kinds kinds(const Graph& graph) {
  Kinds names;
  for (const Node& node : graph.nodes)
    if (node.kind) names.push_back(node.kind->name);
  return names;
}

std::int64_t countOf(const Kinds& names, std::string_view kind) {
  return std::count(names.begin(), names.end(), kind);
}

/// Weights that int8 with a scale of 1/64 holds exactly, each output channel's largest 127/64.
ConstantData exactKernel(std::int64_t outputs, std::int64_t depth) {
  std::vector<float> values;
  for (std::int64_t i = 0; i < outputs * depth; ++i)
    values.push_back(static_cast<float>(i % depth == 0 ? 127 : (i * 37 + 11) % 255 - 127) / 64);
  return ConstantData::of(DataType::kFloat32, values);
}

ValueId addConvolution(GraphMaker& m, ValueId x, std::int64_t inputs, std::int64_t outputs,
                       std::int64_t kernel) {
  Convolution a{{.outputs = outputs, .kernel = {kernel, kernel}}};
  a.setPadding({kernel / 2, kernel / 2});
  return m.add(a, {x}, {exactKernel(outputs, inputs * kernel * kernel), m.random(outputs)});
}

/// Two convolutions with a residual, a maximum, a concatenation, a convolution, a fully connected
/// layer.
Graph smallNetwork() {
  GraphMaker m;
  ValueId x = m.input("x", {1, 3, 12, 10});
  ValueId a = m.activation(addConvolution(m, x, 3, 8, 3), ActivationType::kRelu);
  ValueId b = m.activation(addConvolution(m, a, 8, 8, 1), ActivationType::kSilu);
  ValueId sum = m.elementwise(a, b, ElementWiseOperation::kSum);
  ValueId pooled =
      m.add(Pooling{.window = {3, 3}, .prePadding = {1, 1}, .postPadding = {1, 1}}, {sum});
  ValueId joined = m.add(Concatenation{}, {sum, pooled});
  ValueId c = m.activation(addConvolution(m, joined, 16, 4, 3), ActivationType::kRelu);
  ValueId full =
      m.add(FullyConnected{.outputs = 5}, {c}, {exactKernel(5, 4 * 12 * 10), m.random(5)});
  m.output(full, "y");
  return m.graph;
}

/// The extremes that the reference computation meets.
RangeOf referenceRanges(const Graph& graph, const ReferenceTensor& x) {
  auto values =
      std::make_shared<std::vector<ReferenceTensor>>(ReferenceExecutor(graph).runAll({{"x", x}}));
  return [values](ValueId value) -> std::optional<CalibratedRange> {
    const auto& numbers = (*values)[static_cast<std::size_t>(value)].values;
    auto [low, high] = std::minmax_element(numbers.begin(), numbers.end());
    return CalibratedRange{*low, *high};
  };
}

ReferenceTensor inputOf(const Dims& dims) {
  GraphMaker m;
  return m.randomTensor(dims);
}

TEST(QuantizationPasses, LeaveNothingButIntegersBetweenConvolutions) {
  Graph graph = smallNetwork();
  ReferenceTensor x = inputOf({1, 3, 12, 10});
  auto want = ReferenceExecutor(graph).run({{"x", x}}).at("y");
  insertQuantization(graph, {}, referenceRanges(graph, x));
  runQuantizationPasses(graph);
  Kinds all = kinds(graph);
  EXPECT_EQ(countOf(all, "quantize"), 1) << "the input alone";
  EXPECT_EQ(countOf(all, "dequantize"), 0);
  EXPECT_EQ(countOf(all, "quantized_convolution"), 4);
  EXPECT_EQ(countOf(all, "elementwise"), 0);
  EXPECT_EQ(countOf(all, "activation"), 0);
  auto got = ReferenceExecutor(graph).run({{"x", x}}).at("y");
  EXPECT_EQ(got.info, want.info);
  EXPECT_GT(signalToNoise(want.values, got.values), 25);
}

TEST(QuantizationPasses, LoweringKeepsTheNumbersOfTheQuantizedNetwork) {
  // The weights are exact, so that the network with Quantize and Dequantize in floating point is
  // the same but for values next to a half.
  Graph graph = smallNetwork();
  ReferenceTensor x = inputOf({1, 3, 12, 10});
  insertQuantization(graph, {}, referenceRanges(graph, x));
  auto want = ReferenceExecutor(graph).run({{"x", x}}).at("y");
  runQuantizationPasses(graph);
  auto got = ReferenceExecutor(graph).run({{"x", x}}).at("y");
  EXPECT_GT(signalToNoise(want.values, got.values), 50);
}

TEST(QuantizedConvolutions, FoldedConstantsGiveTheSameQuanta) {
  std::mt19937 random(3);
  const auto real = [&](double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(random);
  };
  int folded = 0;
  for (int i = 0; i < 300; ++i) {
    QuantizedConvolution a;
    a.inputScale = real(0.01, 2), a.outputScale = real(0.01, 2), a.residualScale = real(0.01, 2);
    a.outputZeroPoint = i % 2 ? 0 : static_cast<std::int64_t>(real(0, 256));
    a.residualZeroPoint = static_cast<std::int64_t>(real(0, 256));
    a.residual = static_cast<ResidualOrder>(i % 3);
    a.activated = i % 4;
    a.activation = {std::array{ActivationType::kRelu, ActivationType::kRelu, ActivationType::kClip,
                               ActivationType::kLeakyRelu}[static_cast<std::size_t>(i % 4)],
                    real(-9, 9), real(10, 60)};
    if (i % 5 == 0) a.outputType = DataType::kFloat32;
    auto scale = static_cast<float>(real(0.001, 0.1)), bias = static_cast<float>(real(-9, 9));
    FoldedQuantization f = foldQuantization(a, {scale}, {bias});
    folded += f.layer.outputScale == 1 && f.layer.outputZeroPoint == 0;
    double sum = std::floor(real(-1000, 1000)), residual = std::floor(real(0, 256));
    const auto quanta = [&](const QuantizedConvolution& q, double s, double b) {
      double y = sum * q.inputScale * s + b;
      double r = (residual - static_cast<double>(q.residualZeroPoint)) * q.residualScale;
      if (q.residual == ResidualOrder::kBeforeActivation) y += r;
      if (q.activated) y = activate(q.activation, y);
      if (q.residual == ResidualOrder::kAfterActivation) y += r;
      return q.outputType == DataType::kFloat32
                 ? y
                 : y / q.outputScale + static_cast<double>(q.outputZeroPoint);
    };
    double want = quanta(a, scale, bias), got = quanta(f.layer, f.scales[0], f.bias[0]);
    EXPECT_NEAR(got, want, 1e-6 * (1000 + std::abs(want))) << i;
    EXPECT_EQ(f.layer.inputScale, 1);
  }
  EXPECT_GT(folded, 50);
}

TEST(QuantizationPasses, ALayerThatIsKeptOutStaysAsItWas) {
  Graph graph = smallNetwork();
  ReferenceTensor x = inputOf({1, 3, 12, 10});
  auto layers = quantizableLayers(graph, {});
  ASSERT_EQ(layers.size(), 4u);
  graph.node(layers[2]).precision = DataType::kFloat32;
  FloatLayers kept{graph.node(layers[0]).name};
  insertQuantization(graph, kept, referenceRanges(graph, x));
  runQuantizationPasses(graph);
  Kinds all = kinds(graph);
  EXPECT_EQ(countOf(all, "convolution"), 2);
  EXPECT_EQ(countOf(all, "quantized_convolution"), 2);
}

TEST(QuantizationPasses, WithoutARangeALayerStaysInFloat) {
  Graph graph = smallNetwork();
  insertQuantization(graph, {}, [](ValueId) { return std::nullopt; });
  runQuantizationPasses(graph);
  EXPECT_EQ(countOf(kinds(graph), "quantized_convolution"), 0);
  EXPECT_EQ(countOf(kinds(graph), "quantize"), 0);
}

TEST(QuantizationPasses, SymmetricInt8OfTheNetworkBecomesUint8) {
  GraphMaker m;
  ValueId x = m.input("x", {1, 4, 6, 6});
  auto around = [&](ValueId value, double scale) {
    std::vector<ConstantData> weights = {
        ConstantData::of(DataType::kFloat32, std::vector<float>{static_cast<float>(scale)}), {}};
    ValueId q = m.add(Quantize{DataType::kInt8}, {value}, weights);
    return m.add(Dequantize{}, {q}, weights);
  };
  ValueId y = addConvolution(m, around(x, 1.0 / 64), 4, 3, 3);
  m.output(around(m.activation(y, ActivationType::kRelu), 0.5), "y");
  Graph graph = m.graph;
  ReferenceTensor input = inputOf({1, 4, 6, 6});
  auto want = ReferenceExecutor(graph).run({{"x", input}}).at("y");
  runQuantizationPasses(graph);
  EXPECT_EQ(kinds(graph), (Kinds{"quantize", "quantized_convolution", "dequantize"}));
  auto got = ReferenceExecutor(graph).run({{"x", input}}).at("y");
  for (std::size_t i = 0; i < want.values.size(); ++i)
    EXPECT_NEAR(got.values[i], want.values[i], 0.5) << i;
  EXPECT_GT(signalToNoise(want.values, got.values), 45);
}

TEST(QuantizationPasses, QuantizeOfTheNetworkMovesUpThroughAMaximum) {
  GraphMaker m;
  ValueId x = m.input("x", {1, 2, 8, 8});
  ConstantData scale = ConstantData::of(DataType::kFloat32, std::vector<float>{0.25});
  ValueId q = m.add(Quantize{}, {x}, {scale, {}});
  ValueId y = addConvolution(m, m.add(Dequantize{}, {q}, {scale, {}}), 2, 3, 1);
  ValueId pooled = m.add(Pooling{.window = {2, 2}, .stride = {2, 2}}, {y});
  m.output(m.add(Quantize{}, {pooled}, {scale, {}}), "y");
  Graph graph = m.graph;
  runQuantizationPasses(graph);
  EXPECT_EQ(kinds(graph), (Kinds{"quantize", "quantized_convolution", "pooling"}));
}

TensorHistogram histogramOf(const std::vector<float>& values) {
  TensorHistogram histogram;
  histogram.add(values);
  return histogram;
}

TEST(Ranges, AHistogramDoesNotDependOnTheOrderOfTheBatches) {
  std::vector<float> small{0.1f, -0.2f, 0.3f}, large{100.f, -3.f, 0.001f};
  TensorHistogram a, b;
  a.add(small), a.add(large);
  b.add(large), b.add(small);
  EXPECT_EQ(a.bins(), b.bins());
  EXPECT_EQ(a.limit(), 128);
  EXPECT_EQ(a.count(), 6);
  EXPECT_FLOAT_EQ(static_cast<float>(a.min()), -3);
  EXPECT_EQ(std::accumulate(a.bins().begin(), a.bins().end(), std::int64_t{0}), 6);
}

TEST(Ranges, LeaveOutWhatIsNotFinite) {
  float infinity = std::numeric_limits<float>::infinity();
  TensorHistogram histogram = histogramOf({infinity, 1, std::nanf(""), -infinity});
  EXPECT_EQ(histogram.count(), 1);
  EXPECT_EQ(minMaxRange(histogram), CalibratedRange(1, 1));
}

TEST(Ranges, AHistogramCountsEachValueInItsBin) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  std::mt19937 random(7);
  for (std::size_t count : {1, 63, 64, 65, 1000}) {
    std::vector<float> values(count);
    for (float& value : values)
      value = static_cast<float>(std::normal_distribution<>(0.1, 3)(random));
    for (std::size_t i = 5; i < count; i += 17)
      values[i] = std::array<float, 6>{0.0f, -0.0f, -1e-30f, INFINITY, -INFINITY, NAN}[i % 6];
    TensorHistogram histogram;
    histogram.add(values);
    histogram.add(std::span(values).first(count / 2));
    double low = kInfinity, high = -kInfinity;
    std::vector<std::int64_t> bins(TensorHistogram::kBins);
    std::int64_t counted = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (!std::isfinite(values[i])) continue;
      low = std::min<double>(low, values[i]), high = std::max<double>(high, values[i]);
      const double at = std::floor(values[i] / histogram.binWidth()) + TensorHistogram::kBins / 2.0;
      const std::int64_t times = i < count / 2 ? 2 : 1;
      bins[std::min(static_cast<std::size_t>(at), TensorHistogram::kBins - 1)] += times;
      counted += times;
    }
    EXPECT_EQ(histogram.min(), low) << count;
    EXPECT_EQ(histogram.max(), high) << count;
    EXPECT_EQ(histogram.count(), counted) << count;
    EXPECT_EQ(histogram.bins(), bins) << count;
  }
}

TEST(Ranges, PercentileCutsTheTail) {
  std::vector<float> values;
  for (int i = 0; i < 100000; ++i) values.push_back(static_cast<float>(i) / 100000);
  values.push_back(1000);
  auto [low, high] = percentileRange(histogramOf(values), 99.9);
  EXPECT_EQ(low, 0);
  EXPECT_NEAR(high, 1, 0.3);  // a bin is a quarter wide
}

TEST(Ranges, EntropyCutsOutliersAndKeepsWhatIsEven) {
  GraphMaker m;
  std::vector<float> bell, even;
  std::mt19937 engine(3);
  std::normal_distribution<float> normal;
  std::uniform_real_distribution<float> uniform(0, 6);
  for (int i = 0; i < 200000; ++i) {
    bell.push_back(normal(engine));
    even.push_back(i % 2 ? uniform(engine) : 0);  // as behind a ReLU6
  }
  bell.push_back(60);
  auto [low, high] = entropyRange(histogramOf(bell));
  EXPECT_LT(high, 20);
  EXPECT_GT(high, 2.5);
  EXPECT_LT(low, -2.5);
  EXPECT_GT(entropyRange(histogramOf(even)).second, 5);
}

TEST(Ranges, MseTradesWhatIsCutOffAgainstTheQuantum) {
  std::vector<float> bell, even;
  std::mt19937 engine(3);
  std::normal_distribution<float> normal;
  std::uniform_real_distribution<float> uniform(-0.25, 6);
  for (int i = 0; i < 200000; ++i) {
    bell.push_back(normal(engine));
    even.push_back(uniform(engine));
  }
  // Of a bell, 8 bits are best spread over some 4 standard deviations (a Lloyd-Max quantiser with
  // even steps: 3.94).
  auto [low, high] = mseRange(histogramOf(bell));
  EXPECT_NEAR(low, -3.94, 0.2);
  EXPECT_NEAR(high, 3.94, 0.2);
  // A value that is far enough away costs more than all the others.
  bell.push_back(3000);
  EXPECT_GT(mseRange(histogramOf(bell)).second, 100);
  EXPECT_NEAR(mseRange(histogramOf(even)).first, -0.25, 0.02);
  EXPECT_NEAR(mseRange(histogramOf(even)).second, 6, 0.1);
  EXPECT_EQ(mseRange(histogramOf({0, 0})), CalibratedRange(0, 0));
}

std::string errorOf(std::string_view text) {
  try {
    CalibrationTable::fromText(text, "x.cache");
    return "no error";
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(Calibration, TableReadsWhatItWrites) {
  CalibrationTable table{.method = "minmax"};
  table.ranges = {{"conv 1", {-0.1, 2.5}}, {"50%", {0, 1e-7}}, {"#x", {-3, 0}}, {"@y", {0, 1}}};
  table.channelFactors = {{"conv 1", {1, 2.5}}, {"@y", {64}}};
  CalibrationTable read = CalibrationTable::fromText(table.toText(), "x");
  EXPECT_EQ(read.method, "minmax");
  EXPECT_EQ(read.ranges, table.ranges);
  EXPECT_EQ(read.channelFactors, table.channelFactors);
}

TEST(Calibration, ADamagedTableIsNamedByItsLine) {
  const std::string title = "layerwise-calibration 1 entropy\n";
  EXPECT_EQ(errorOf(""),
            "[calibration x.cache] line 1: 'layerwise-calibration 1 METHOD' is expected");
  EXPECT_EQ(errorOf("layerwise-calibration 2 entropy\n"),
            "[calibration x.cache] line 1: version 2 is not 1");
  EXPECT_EQ(
      errorOf(title + "# comment\n\na 1 0 0 1\nb 1 0 0\n"),
      "[calibration x.cache] line 5: 4 words, 5 are expected: name, scale, zero point, min, max");
  EXPECT_EQ(errorOf(title + "a 1 0 0 nan\n"),
            "[calibration x.cache] line 2: max 'nan' is not a number");
  EXPECT_EQ(errorOf(title + "a 1 0 2 1\n"), "[calibration x.cache] line 2: min 2 is above max 1");
  EXPECT_EQ(errorOf(title + "a 1 0 0 1\na 1 0 0 1\n"),
            "[calibration x.cache] line 3: 'a' has a line already");
  EXPECT_EQ(errorOf(title + "@a 1 0.5\n"), "[calibration x.cache] line 2: factor 0.5 is below 1");
  EXPECT_EQ(errorOf(title + "a%2 1 0 0 1\n"),
            "[calibration x.cache] line 2: 'a%2' ends within a % escape");
}

}  // namespace
}  // namespace layerwise
