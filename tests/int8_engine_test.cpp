// Engines in 8 bits, from calibration to results.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "layerwise/builder.h"
#include "layerwise/calibrator.h"
#include "layerwise/error.h"
#include "tests/every_layer.h"
#include "tests/graph_maker.h"
#include "tests/signal_to_noise.h"

namespace layerwise {
namespace {

/// A network of two convolutions and the batches that calibrate it.
struct Example {
  Network network;
  std::vector<float> kernel1, kernel2;
  std::vector<std::vector<float>> batches;
  Layer* second = nullptr;

  Example() {
    GraphMaker m;
    auto floats = [&](std::int64_t count) {
      ConstantData data = m.random(count);
      return std::vector<float>(data.as<float>(), data.as<float>() + count);
    };
    kernel1 = floats(8 * 3 * 9), kernel2 = floats(6 * 8);
    for (int i = 0; i < 4; ++i) batches.push_back(floats(3 * 9 * 11));
    Tensor& x = network.addInput("x", DataType::kFloat32, {1, 3, 9, 11});
    auto view = [](const std::vector<float>& values) {
      return Weights{DataType::kFloat32, values.data(), static_cast<std::int64_t>(values.size())};
    };
    Tensor& a = network.addConvolution(x, 8, {3, 3}, view(kernel1)).output();
    Tensor& b = network.addActivation(a, ActivationType::kLeakyRelu, 0.1).output();
    b.setName("middle");
    second = &network.addConvolution(b, 6, {1, 1}, view(kernel2));
    network.markOutput(second->output(), "y");
  }

  CalibrationSource source() const {
    return [this, next = std::size_t{0}](CalibrationBatch& batch) mutable {
      if (next == batches.size()) return false;
      batch.inputs["x"] = {batches[next++].data(), {1, 3, 9, 11}};
      return true;
    };
  }

  std::vector<double> run(const Engine& engine) const {
    std::vector<float> y(6 * 7 * 9);
    auto context = engine.createContext();
    context->setInput("x", batches[0].data(), {1, 3, 9, 11});
    context->setOutput("y", y.data());
    context->run();
    return {y.begin(), y.end()};
  }
};

TEST(Int8Engine, ComesCloseToFloatAndItsTableGivesTheSameEngineAgain) {
  Example example;
  auto calibrator = makeCalibrator(CalibrationMethod::kMinMax, example.source());
  CalibrationTable table;
  BuilderConfig config{.threads = 1, .optimizationLevel = 0};
  auto plain = buildEngine(example.network, config);
  config.int8 = true;
  config.calibrator = calibrator.get();
  config.calibrationTable = &table;
  auto engine = buildEngine(example.network, config);
  EXPECT_EQ(table.method, "minmax");
  EXPECT_TRUE(table.ranges.contains("middle"));
  EXPECT_TRUE(table.ranges.contains("x"));
  std::vector<double> want = example.run(*plain), got = example.run(*engine);
  EXPECT_GT(signalToNoise(want, got), 30);
  EXPECT_NE(want, got);
  // The table has the ranges; the weights are rounded by what the calibrator shows.
  auto again = makeCalibrator(CalibrationMethod::kMinMax, example.source());
  config.calibrator = again.get();
  EXPECT_EQ(example.run(*buildEngine(example.network, config)), got);
  auto shared = makeCalibrator(CalibrationMethod::kMinMax, example.source());
  config.calibrator = shared.get();
  config.threads = 3;
  EXPECT_EQ(example.run(*buildEngine(example.network, config)), got);
  config.threads = 1;
  config.calibrator = nullptr;
  std::vector<double> nearest = example.run(*buildEngine(example.network, config));
  EXPECT_GT(signalToNoise(want, nearest), 30);
  EXPECT_NE(nearest, got);
  EXPECT_EQ(example.run(*Engine::deserialize(engine->serialize(), {.threads = 1})), got);
}

TEST(Int8Engine, AResidualThatIsReadAgainKeepsItsPlace) {
  // The first sum may not be written over what the second adds again, the second may; and the third
  // not over the input of its own convolution.
  constexpr std::int64_t kChannels = 80, kSize = 9, kCount = kChannels * kSize * kSize;
  GraphMaker m;
  std::vector<std::vector<float>> kernels;
  auto floats = [&](std::int64_t count) {
    ConstantData data = m.random(count, -0.1, 0.1);
    return std::vector<float>(data.as<float>(), data.as<float>() + count);
  };
  for (int i = 0; i < 6; ++i) kernels.push_back(floats(kChannels * kChannels));
  const std::vector<float> image = floats(kCount);
  Network network;
  Tensor* x = &network.addInput("x", DataType::kFloat32, {1, kChannels, kSize, kSize});
  auto convolve = [&](Tensor& from, std::size_t kernel) -> Tensor& {
    const std::vector<float>& values = kernels[kernel];
    return network
        .addConvolution(
            from, kChannels, {1, 1},
            Weights{DataType::kFloat32, values.data(), static_cast<std::int64_t>(values.size())})
        .output();
  };
  auto add = [&](Tensor& a, Tensor& b) -> Tensor& {
    Tensor& sum = network.addElementWise(a, b, ElementWiseOperation::kSum).output();
    return network.addActivation(sum, ActivationType::kRelu).output();
  };
  Tensor& first = network.addActivation(convolve(*x, 0), ActivationType::kRelu).output();
  Tensor& second = add(convolve(convolve(first, 1), 2), first);
  Tensor& third = add(convolve(second, 3), first);
  Tensor& fourth = add(convolve(third, 4), third);
  network.markOutput(convolve(fourth, 5), "y");
  auto calibrator = makeCalibrator(
      CalibrationMethod::kMinMax, [&, done = false](CalibrationBatch& batch) mutable {
        batch.inputs["x"] = {image.data(), {1, kChannels, kSize, kSize}};
        return !std::exchange(done, true);
      });
  auto run = [&](const Engine& engine) {
    std::vector<float> y(kCount);
    auto context = engine.createContext();
    context->setInput("x", image.data(), {1, kChannels, kSize, kSize});
    context->setOutput("y", y.data());
    context->run();
    return std::vector<double>(y.begin(), y.end());
  };
  BuilderConfig config{.threads = 2, .optimizationLevel = 0};
  const std::vector<double> want = run(*buildEngine(network, config));
  config.int8 = true;
  config.calibrator = calibrator.get();
  EXPECT_GT(signalToNoise(want, run(*buildEngine(network, config))), 25);
}

TEST(Int8Engine, TakesTheUsersRangesAndPrecisionsFirst) {
  Example example;
  example.second->input(0).setDynamicRange(-1, 10);
  example.network.input(0).setDynamicRange(-1, 1);
  BuilderConfig config{.threads = 1, .optimizationLevel = 0, .int8 = true};
  std::vector<double> both = example.run(*buildEngine(example.network, config));
  example.second->setPrecision(DataType::kFloat32);
  std::vector<double> one = example.run(*buildEngine(example.network, config));
  config.int8 = false;
  std::vector<double> none = example.run(*buildEngine(example.network, config));
  EXPECT_GT(signalToNoise(none, both), 10);
  EXPECT_GT(signalToNoise(none, one), signalToNoise(none, both));
  EXPECT_NE(one, none);
}

TEST(Int8Engine, KeepsDecodedHeadsAndWhatTheyReadOutOfBytes) {
  registerTestPlugin();
  constexpr std::int64_t kSide = 12, kChannels = 8;
  const Dims side{1, kChannels, kSide, kSide};
  GraphMaker m;
  const ConstantData picture = m.random(kChannels * kSide * kSide);
  std::vector<ConstantData> kernels;
  for (int i = 0; i < 4; ++i) kernels.push_back(m.random(kChannels * kChannels));
  const auto build = [&](bool wished) {
    Network network;
    const auto layer = [&](Tensor& x, std::size_t i) -> Layer& {
      return network.addConvolution(
          x, kChannels, {1, 1},
          {DataType::kFloat32, kernels[i].as<float>(), kChannels * kChannels});
    };
    Tensor& x = network.addInput("x", DataType::kFloat32, side);
    Tensor& middle =
        network.addActivation(layer(x, 0).output(), ActivationType::kLeakyRelu, 0.1).output();
    Layer& head = layer(middle, 1);
    if (wished) head.setPrecision(DataType::kInt8);
    auto& decoded = network.addPlugin(
        {&head.output()}, std::make_shared<ScaledBy>("test_scaled_by", 1, std::vector<float>{1}));
    network.markOutput(decoded.output(), "decoded");
    // Another reader of the same tensor, and a last layer that nothing decodes.
    Tensor& other =
        network.addActivation(layer(middle, 2).output(), ActivationType::kRelu).output();
    network.markOutput(layer(other, 3).output(), "other");
    auto calibrator =
        makeCalibrator(CalibrationMethod::kMinMax, [&, left = 1](CalibrationBatch& batch) mutable {
          batch.inputs["x"] = {picture.as<float>(), side};
          return left-- > 0;
        });
    return buildEngine(
        network,
        {.threads = 1, .optimizationLevel = 0, .int8 = true, .calibrator = calibrator.get()});
  };
  const auto exact = build(false), bytes = build(true);
  EXPECT_NE(exact->inspect().find("int8      3 of 4"), std::string::npos) << exact->inspect();
  EXPECT_NE(bytes->inspect().find("int8      4 of 4"), std::string::npos) << bytes->inspect();
  const auto run = [&](const Engine& engine) {
    std::vector<float> decoded(kChannels * kSide * kSide), other(decoded.size());
    auto context = engine.createContext();
    context->setInput("x", picture.as<float>(), side);
    context->setOutput("decoded", decoded.data());
    context->setOutput("other", other.data());
    context->run();
    return std::pair(std::vector<double>(decoded.begin(), decoded.end()),
                     std::vector<double>(other.begin(), other.end()));
  };
  // What the first layer gives is rounded once less; the other branch is the same to the bit.
  const auto [decoded, other] = run(*exact);
  const auto [decodedBytes, otherBytes] = run(*bytes);
  EXPECT_EQ(other, otherBytes);
  EXPECT_GT(signalToNoise(decoded, decodedBytes), 25);
  EXPECT_NE(decoded, decodedBytes);
  std::vector<double> middle(decoded.size()), want(decoded.size());
  const auto product = [&](std::size_t kernel, const auto& x, std::vector<double>& y) {
    constexpr std::int64_t kPixels = kSide * kSide;
    for (std::int64_t i = 0; i < kChannels * kPixels; ++i) {
      y[static_cast<std::size_t>(i)] = 0;
      for (std::int64_t c = 0; c < kChannels; ++c)
        y[static_cast<std::size_t>(i)] +=
            static_cast<double>(kernels[kernel].as<float>()[i / kPixels * kChannels + c]) *
            x[c * kPixels + i % kPixels];
    }
  };
  product(0, picture.as<float>(), middle);
  for (double& y : middle) y = y < 0 ? 0.1 * y : y;
  product(1, middle.data(), want);
  EXPECT_GT(signalToNoise(want, decoded), signalToNoise(want, decodedBytes) + 1.5);
}

TEST(Int8Engine, KeepsTheMostSensitiveLayersWithinTheBudget) {
  auto build = [](double maxDrop) {
    Example example;
    auto calibrator = makeCalibrator(CalibrationMethod::kMinMax, example.source());
    QuantizationReport report;
    auto engine = buildEngine(example.network, {.threads = 1,
                                                .optimizationLevel = 0,
                                                .int8 = true,
                                                .calibrator = calibrator.get(),
                                                .maxDrop = maxDrop,
                                                .quantizationReport = &report});
    // The engine says it, too.
    const auto floats = std::count_if(report.layers.begin(), report.layers.end(),
                                      [](const LayerSensitivity& l) { return l.keptFloat; });
    const std::string text = engine->inspect(false);
    EXPECT_NE(text.find("int8      " + std::to_string(2 - floats) + " of 2, ranges by minmax\n"),
              std::string::npos)
        << text;
    for (const LayerSensitivity& layer : report.layers)
      EXPECT_NE(text.find("  " + layer.layer + (layer.keptFloat ? "  (float)\n" : "\n")),
                std::string::npos)
          << text;
    EXPECT_NE(text.find(" with " + std::to_string(floats) + " of 2 in float\n"), std::string::npos);
    return report;
  };
  auto kept = [](const QuantizationReport& report) {
    return std::count_if(report.layers.begin(), report.layers.end(),
                         [](const LayerSensitivity& layer) { return layer.keptFloat; });
  };
  QuantizationReport loose = build(50), tight = build(1e-6);
  ASSERT_EQ(loose.layers.size(), 2u);
  EXPECT_GE(loose.layers[0].error, loose.layers[1].error);
  EXPECT_GT(loose.layers[1].error, 0);
  EXPECT_GT(loose.errorOfAll, loose.layers[0].error * 0.7);
  EXPECT_LT(loose.errorOfAll, 5);
  EXPECT_EQ(kept(loose), 0);
  EXPECT_EQ(loose.error, loose.errorOfAll);
  EXPECT_EQ(kept(tight), 2);
  EXPECT_EQ(tight.error, 0);
  // Between what one layer and what both cost.
  QuantizationReport middle = build((loose.layers[1].error + loose.errorOfAll) / 2);
  EXPECT_EQ(kept(middle), 1);
  EXPECT_TRUE(middle.layers[0].keptFloat);
}

TEST(Int8Engine, SaysWhichRangeItLacks) {
  Example example;
  try {
    buildEngine(example.network, {.optimizationLevel = 0, .int8 = true});
    FAIL() << "built";
  } catch (const Error& error) {
    EXPECT_EQ(
        std::string(error.what()),
        "[builder] int8 needs the ranges of tensors: give a calibrator, or a table that holds "
        "'middle' and others");
  }
}

TEST(Int8Engine, AsksACalibratorOfOnesOwn) {
  class Fixed final : public Calibrator {
   public:
    explicit Fixed(CalibrationSource source) : source_(std::move(source)) {}
    std::string method() const override { return "fixed"; }
    bool nextBatch(CalibrationBatch& batch) override { return source_(batch); }
    CalibratedRange chooseRange(std::string_view, const TensorHistogram& histogram) const override {
      EXPECT_EQ(histogram.count(), 4 * 8 * 7 * 9);
      return {-2, 2};
    }

   private:
    CalibrationSource source_;
  };
  Example example;
  Fixed fixed(example.source());
  CalibrationTable table;
  buildEngine(
      example.network,
      {.optimizationLevel = 0, .int8 = true, .calibrator = &fixed, .calibrationTable = &table});
  EXPECT_EQ(table.method, "fixed");
  EXPECT_EQ(table.ranges.at("middle"), CalibratedRange(-2, 2));
}

}  // namespace
}  // namespace layerwise
