// What calibration makes of weights: equalised channels, rounding with feedback, corrected biases.
#include <gtest/gtest.h>

#include <Eigen/Cholesky>
#include <Eigen/LU>
#include <cmath>
#include <numeric>

#include "engine/backend.h"
#include "layers/byte_pairs.h"
#include "layers/quantized_convolution.h"
#include "layerwise/builder.h"
#include "layerwise/error.h"
#include "passes/quantize_kernel.h"
#include "passes/rewrite.h"
#include "quantization/equalize.h"
#include "quantization/quantize_graph.h"
#include "quantization/round_weights.h"
#include "tests/graph_maker.h"
#include "tests/reference_executor.h"

namespace layerwise {
namespace {

constexpr std::int64_t kChannels = 8;

/// A convolution whose output channels differ widely, ReLU6, a depthwise one with a residual, and
/// two that read the sum.
struct Uneven {
  GraphMaker m;
  ValueId clipped = kNone, sum = kNone;

  Uneven() {
    ValueId x = m.input("x", {1, 4, 9, 7});
    std::vector<float> kernel;
    for (std::int64_t o = 0; o < kChannels; ++o)
      for (std::int64_t i = 0; i < 4; ++i)
        kernel.push_back(
            std::ldexp(static_cast<float>((o * 7 + i * 5) % 9 - 4), -static_cast<int>(o)));
    Convolution first{{.outputs = kChannels, .kernel = {1, 1}}};
    ValueId a = m.add(first, {x},
                      {ConstantData::of(DataType::kFloat32, kernel), m.random(kChannels, 0, 0.01)});
    clipped = m.activation(a, ActivationType::kClip, 0, 6);
    ValueId depthwise = m.convolution(clipped, kChannels, kChannels, 3, kChannels);
    ValueId other = m.convolution(m.activation(depthwise, ActivationType::kRelu), kChannels, 6, 1);
    ValueId another = m.convolution(other, 6, 6, 1);
    sum = m.elementwise(other, another, ElementWiseOperation::kSum);
    m.output(m.convolution(sum, 6, 5, 1), "y");
    m.graph.connect();
  }
};

std::vector<ChannelStatistics> statistics(const Graph& graph, const ReferenceTensor& x) {
  std::vector<ChannelStatistics> seen;
  for (const ReferenceTensor& value : ReferenceExecutor(graph).runAll({{"x", x}})) {
    std::vector<float> numbers(value.values.begin(), value.values.end());
    seen.emplace_back();
    seen.back().add(numbers, value.info.dims);
  }
  return seen;
}

TEST(Equalization, KeepsWhatTheNetworkComputesAndEvensItsChannels) {
  Uneven uneven;
  Graph graph = uneven.m.graph;
  ReferenceTensor x = uneven.m.randomTensor({1, 4, 9, 7});
  auto want = ReferenceExecutor(graph).run({{"x", x}}).at("y");
  auto seen = statistics(graph, x);
  StatisticsOf statisticsOf = [&](ValueId value) { return &seen[static_cast<std::size_t>(value)]; };
  auto groups = equalizationGroups(graph);
  // Behind the first convolution, behind the depthwise one, and the residual's three values.
  ASSERT_EQ(groups.size(), 3u);
  int scaled = 0;
  for (const EqualizationGroup& group : groups) {
    std::vector<double> factors = chooseFactors(graph, group, statisticsOf);
    for (double factor : factors) EXPECT_GE(factor, 1);
    scaled += !factors.empty() && scaleChannels(graph, group, factors);
  }
  EXPECT_GE(scaled, 1);
  auto got = ReferenceExecutor(graph).run({{"x", x}}).at("y");
  for (std::size_t i = 0; i < want.values.size(); ++i)
    EXPECT_NEAR(got.values[i], want.values[i], 1e-4) << i;
  // The least channel has come closer to the largest.
  auto spread = [&](const std::vector<ChannelStatistics>& all) {
    double least = 1e9, most = 0;
    for (const auto& channel : all[static_cast<std::size_t>(uneven.clipped)].channels())
      least = std::min(least, channel.high), most = std::max(most, channel.high);
    return most / least;
  };
  EXPECT_LT(spread(statistics(graph, x)), spread(seen) / 8);
}

TEST(Equalization, LeavesAloneWhatOthersSee) {
  for (int way = 0; way < 4; ++way) {
    GraphMaker m;
    ValueId a = m.convolution(m.input("x", {1, 4, 5, 5}), 4, 8, 1);
    ValueId b = m.activation(a, way == 1 ? ActivationType::kSilu : ActivationType::kRelu);
    m.output(m.convolution(b, 8, 3, 1), "y");
    if (way == 2) m.output(b, "b");
    if (way == 3) m.graph.value(b).range = {-1, 1};
    m.graph.connect();
    EXPECT_EQ(equalizationGroups(m.graph).size(), way == 0 ? 1u : 0u) << way;
  }
}

/// Noise over signal of outputs.
double noise(const std::vector<double>& want, const std::vector<double>& got) {
  double signal = 0, sum = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    signal += want[i] * want[i];
    sum += (want[i] - got[i]) * (want[i] - got[i]);
  }
  return sum / signal;
}

/// Knows the ranges beforehand, whatever it is shown; says so, or not.
class KnownRanges final : public Calibrator {
 public:
  KnownRanges(CalibrationSource source, bool admits)
      : source_(std::move(source)), admits_(admits) {}
  std::string method() const override { return "known"; }
  bool nextBatch(CalibrationBatch& batch) override { return source_(batch); }
  bool usesHistograms() const override { return !admits_; }
  CalibratedRange chooseRange(std::string_view tensor, const TensorHistogram&) const override {
    return ranges.at(std::string(tensor));
  }
  std::map<std::string, CalibratedRange> ranges;

 private:
  CalibrationSource source_;
  bool admits_;
};

// A range that cuts off much of the largest channel and nothing of the others is right for the
// network's own tensors; once channels are equalised it would cut off as much of all.
TEST(Equalization, LeavesTensorsAloneWhoseRangesAreKnownBeforehand) {
  Uneven uneven;
  ReferenceTensor x = uneven.m.randomTensor({1, 4, 9, 7});
  const std::vector<float> picture(x.values.begin(), x.values.end());
  auto source = [&](int left) {
    return [&, left](CalibrationBatch& batch) mutable {
      batch.inputs["x"] = {picture.data(), {1, 4, 9, 7}};
      return left-- > 0;
    };
  };
  auto quantize = [&](Calibrator& calibrator, CalibrationTable& table) {
    Graph graph = uneven.m.graph;
    BuilderConfig config{.threads = 1, .int8 = true};
    config.calibrator = &calibrator;
    config.calibrationTable = &table;
    quantizeGraph(graph, config);
    return ReferenceExecutor(graph).run({{"x", x}}).at("y").values;
  };
  CalibrationTable found;
  quantize(*makeCalibrator(CalibrationMethod::kMinMax, source(2)), found);
  EXPECT_FALSE(found.channelFactors.empty());
  const auto want = ReferenceExecutor(uneven.m.graph).run({{"x", x}}).at("y").values;
  double noises[2];
  for (bool admits : {false, true}) {
    KnownRanges known(source(2), admits);
    known.ranges = found.ranges;
    const std::string& clipped = uneven.m.graph.value(uneven.clipped).name;
    known.ranges.at(clipped).second /= 4;
    CalibrationTable table;
    noises[admits] = noise(want, quantize(known, table));
    EXPECT_EQ(table.channelFactors.empty(), admits);
    EXPECT_EQ(table.ranges.at(clipped), known.ranges.at(clipped));
  }
  EXPECT_LT(noises[1], 0.9 * noises[0]);
}

TEST(WeightRounding, MakesErrorsGoodWhereInputsHangTogether) {
  struct Case {
    std::int64_t kernel, groups;
  };
  for (Case c : {Case{1, 1}, Case{3, 1}, Case{3, 2}, Case{3, 12}}) {
    GraphMaker m;
    ValueId x = m.input("x", {3, 12, 11, 9});
    m.output(m.convolution(x, 12, 24, c.kernel, c.groups), "y");
    m.graph.connect();
    // Smooth pictures, of which the channels are mixtures of a few, and nowhere near zero mean.
    ReferenceTensor pictures({DataType::kFloat32, {3, 12, 11, 9}});
    for (std::size_t i = 0; i < pictures.values.size(); ++i) {
      double at = static_cast<double>(i % 99), channel = static_cast<double>(i / 99 % 12);
      double n = static_cast<double>(i / 1188);
      pictures.values[i] =
          1.5 + std::sin(at * 0.05 + n) * std::cos(channel) + 0.1 * std::sin(0.7 * at * channel);
    }
    pictures.round();
    std::vector<float> numbers(pictures.values.begin(), pictures.values.end());
    Node& node = m.graph.node(0);
    auto want = ReferenceExecutor(m.graph).run({{"x", pictures}}).at("y").values;
    LayerMoments moments(node);
    moments.add(numbers, pictures.info.dims);
    std::vector<ConstantData> rounded = roundWeights(node, moments);
    std::vector<double> kernel = readConstant(node.weights[0]);
    QuantizedKernel nearest = quantizeKernel(kernel, 24);
    std::vector<ConstantData> original = node.weights;
    node.weights[0] = floatConstant(nearest.numbers());
    double plain = noise(want, ReferenceExecutor(m.graph).run({{"x", pictures}}).at("y").values);
    QuantizedKernel better = nearest;
    better.values.assign(rounded[0].as<std::int8_t>(),
                         rounded[0].as<std::int8_t>() + kernel.size());
    node.weights = {floatConstant(better.numbers()), original[1]};
    double fed = noise(want, ReferenceExecutor(m.graph).run({{"x", pictures}}).at("y").values);
    node.weights = {floatConstant(better.numbers()), rounded[2]};
    double corrected =
        noise(want, ReferenceExecutor(m.graph).run({{"x", pictures}}).at("y").values);
    EXPECT_LT(corrected, plain / 4) << c.kernel << ' ' << c.groups;
    EXPECT_LT(corrected, fed) << c.kernel << ' ' << c.groups;
    for (std::size_t i = 0; i < kernel.size(); ++i) EXPECT_LE(std::abs(int{better.values[i]}), 127);
  }
}

/// As the paper has it: what is left of a weight's error, over its place in the factor of the
/// inverse covariance, goes to those after it.
std::vector<std::int8_t> feedBack(const std::vector<double>& weights, float scale,
                                  Eigen::MatrixXd covariance) {
  const Eigen::Index count = covariance.rows();
  covariance.diagonal().array() += 0.01 * covariance.diagonal().mean();
  std::vector<Eigen::Index> order(weights.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](Eigen::Index a, Eigen::Index b) {
    return covariance(a, a) > covariance(b, b);
  });
  const Eigen::MatrixXd ordered = covariance(order, order);
  const Eigen::MatrixXd lower = Eigen::MatrixXd(ordered.inverse()).llt().matrixL();
  Eigen::VectorXd left = Eigen::Map<const Eigen::VectorXd>(weights.data(), count)(order);
  std::vector<std::int8_t> rounded(weights.size());
  for (Eigen::Index i = 0; i < count; ++i) {
    const std::int8_t q = quantizeWeight(left[i], scale);
    rounded[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])] = q;
    left.tail(count - i) -=
        (left[i] - double{scale} * q) / lower(i, i) * lower.col(i).tail(count - i);
  }
  return rounded;
}

TEST(WeightRounding, FeedsErrorsBackAsByTheInverseCovariance) {
  // More and fewer outputs than are rounded at once, and blocks of columns.
  for (auto [inputs, outputs] : {std::pair{5, 3}, {40, 16}, {33, 37}, {600, 20}}) {
    GraphMaker m;
    ValueId x = m.input("x", {700, inputs});
    m.output(m.add(FullyConnected{.outputs = outputs}, {x}, {m.random(outputs * inputs), {}}), "y");
    m.graph.connect();
    const Node& node = m.graph.node(0);
    // Of neighbours, each has a share of the other.
    ReferenceTensor batch = m.randomTensor({700, inputs});
    std::vector<float> numbers(batch.values.begin(), batch.values.end());
    for (std::size_t i = 1; i < numbers.size(); ++i) numbers[i] += 0.7f * numbers[i - 1];
    LayerMoments moments(node);
    moments.add(numbers, {700, inputs});
    const std::vector<ConstantData> rounded = roundWeights(node, moments);
    const std::vector<double> kernel = readConstant(node.weights[0]);
    int other = 0;
    for (std::int64_t o = 0; o < outputs; ++o)
      for (std::size_t b = 0; b < moments.blocks(); ++b) {
        const auto first = static_cast<std::int64_t>(moments.blockBegin(b));
        const auto* weights = kernel.data() + o * inputs + first;
        const auto want = feedBack({weights, weights + moments.blockSize(b)},
                                   rounded[1].as<float>()[o], moments.covariance(0, b));
        for (std::size_t i = 0; i < want.size(); ++i)
          other += want[i] !=
                   rounded[0].as<std::int8_t>()[o * inputs + first + static_cast<std::int64_t>(i)];
      }
    // But for what is half-way between two integers.
    EXPECT_LE(other, inputs * outputs / 1000) << inputs << ' ' << outputs;
  }
}

// Of the weights of an output channel, those whose neighbours are pairs: 0 and 1, 2 and 3 and so
// on.
std::vector<std::vector<std::int64_t>> runsOfPairs(std::int64_t inputs, std::int64_t kernel,
                                                   bool grouped) {
  std::vector<std::vector<std::int64_t>> runs;
  const std::int64_t taps = kernel * kernel;
  for (std::int64_t ky = 0; ky < kernel; ++ky)
    for (std::int64_t kx = 0; kx < kernel; ++kx) {
      if (kx == 0 || grouped || inputs % 2 == 0) runs.emplace_back();
      for (std::int64_t i = 0; i < inputs; ++i) runs.back().push_back(i * taps + ky * kernel + kx);
    }
  if (inputs > 1) return runs;
  for (std::int64_t kx = 0; kx < kernel; ++kx)  // depthwise
    runs[static_cast<std::size_t>(kx)].push_back(2 * kernel + kx);
  return runs;
}

// Neighbouring input channels, of an odd number neighbours in a row of the kernel, or the outer
// rows of a depthwise kernel, of which no two of one sign are more than 128 together; and the noise
// stays near that of weights that nothing limits.
TEST(WeightRounding, KeepsPairsWithinSixteenBits) {
  struct Case {
    std::int64_t channels, kernel, groups;
  };
  for (Case c : {Case{12, 1, 1}, Case{11, 1, 1}, Case{11, 3, 1}, Case{3, 7, 1}, Case{80, 3, 1},
                 Case{12, 3, 2}, Case{33, 3, 3}, Case{12, 3, 12}}) {
    GraphMaker m;
    ValueId x = m.input("x", {2, c.channels, 8, 9});
    const std::int64_t outputs = 2 * c.channels / c.groups * c.groups;
    m.output(m.convolution(x, c.channels, outputs, c.kernel, c.groups), "y");
    m.graph.connect();
    ReferenceTensor pictures = m.randomTensor({2, c.channels, 8, 9});
    std::vector<float> numbers(pictures.values.begin(), pictures.values.end());
    Node& node = m.graph.node(0);
    LayerMoments moments(node);
    moments.add(numbers, pictures.info.dims);
    auto want = ReferenceExecutor(m.graph).run({{"x", pictures}}).at("y").values;
    const std::vector<ConstantData> original = node.weights;
    const auto size = static_cast<std::size_t>(original[0].count);
    double noises[2];
    int unfit[2] = {0, 0};
    for (int fitPairs = 0; fitPairs < 2; ++fitPairs) {
      std::vector<ConstantData> rounded = roundWeights(node, moments, fitPairs != 0);
      QuantizedKernel q;
      q.values.assign(rounded[0].as<std::int8_t>(), rounded[0].as<std::int8_t>() + size);
      q.scales.assign(rounded[1].as<float>(), rounded[1].as<float>() + outputs);
      const std::int64_t taps = c.kernel * c.kernel, inputs = c.channels / c.groups;
      for (std::int64_t o = 0; o < outputs; ++o) {
        const std::int8_t* row = q.values.data() + o * inputs * taps;
        for (const auto& run : runsOfPairs(inputs, c.kernel, c.groups > 1))
          for (std::size_t i = 0; i + 1 < run.size(); i += 2) {
            const int a = row[run[i]], b = row[run[i + 1]];
            unfit[fitPairs] += a * b > 0 && std::abs(a + b) > 128;
          }
      }
      node.weights = {floatConstant(q.numbers()), rounded[2]};
      noises[fitPairs] =
          noise(want, ReferenceExecutor(m.graph).run({{"x", pictures}}).at("y").values);
      node.weights = original;
    }
    EXPECT_GT(unfit[0], 0) << c.channels << ' ' << c.kernel << ' ' << c.groups;
    EXPECT_EQ(unfit[1], 0) << c.channels << ' ' << c.kernel << ' ' << c.groups;
    EXPECT_LT(noises[1], 5 * noises[0]) << c.channels << ' ' << c.kernel << ' ' << c.groups;
  }
}

// Pairs of weights are limited where the processor multiplies in pairs, but not in the layers whose
// results no further layer takes.
TEST(WeightRounding, LimitsNoPairsInTheLastLayers) {
  const Dims dims = {1, 8, 5, 6};
  GraphMaker m;
  ValueId x = m.input("x", dims);
  ValueId a = m.activation(m.convolution(x, 8, 16, 1), ActivationType::kRelu);
  m.output(m.activation(m.convolution(a, 16, 12, 1), ActivationType::kSigmoid), "y");
  m.graph.connect();
  const bool favoured = findBackend("cpu").favoursFittingPairs(m.graph.node(0));
  ConstantData picture = m.random(dims.volume());
  auto calibrator =
      makeCalibrator(CalibrationMethod::kMinMax, [&, left = 2](CalibrationBatch& batch) mutable {
        batch.inputs["x"] = {picture.as<float>(), dims};
        return left-- > 0;
      });
  BuilderConfig config{.threads = 1, .int8 = true};
  config.calibrator = calibrator.get();
  quantizeGraph(m.graph, config);
  std::vector<bool> fit;
  for (const Node& node : m.graph.nodes) {
    auto* layer = node.kind ? node.as<QuantizedConvolution>() : nullptr;
    if (!layer) continue;
    const std::int64_t outputs = layer->convolution.outputs;
    const auto inputs = static_cast<std::size_t>(node.weights[0].count / outputs);
    const auto* weights = node.weights[0].as<std::int8_t>();
    fit.push_back(true);
    for (std::int64_t o = 0; o < outputs; ++o, weights += inputs)
      if (!BytePairs{inputs, 1}.allFit(weights)) fit.back() = false;
  }
  EXPECT_EQ(fit, (std::vector<bool>{favoured, false}));
}

TEST(WeightRounding, LongColumnsAreCutIntoBlocks) {
  GraphMaker m;
  ValueId x = m.input("x", {1, 1200});
  m.output(m.add(FullyConnected{.outputs = 3}, {x}, {m.random(3 * 1200), {}}), "y");
  m.graph.connect();
  LayerMoments moments(m.graph.node(0));
  EXPECT_EQ(moments.blocks(), 3u);
  EXPECT_EQ(moments.blockSize(2), 48u);
  std::vector<float> zeros(1200);
  moments.add(zeros, {1, 1200});
  // Nothing is known of inputs that are always 0: each weight to its nearest.
  std::vector<ConstantData> rounded = roundWeights(m.graph.node(0), moments);
  QuantizedKernel nearest = quantizeKernel(readConstant(m.graph.node(0).weights[0]), 3);
  for (std::size_t i = 0; i < nearest.values.size(); ++i)
    ASSERT_EQ(rounded[0].as<std::int8_t>()[i], nearest.values[i]) << i;
}

}  // namespace
}  // namespace layerwise
