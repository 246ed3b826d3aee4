#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <random>
#include <thread>

#include "engine/compile.h"
#include "engine/engine_state.h"
#include "engine/make_graph.h"
#include "layerwise/builder.h"
#include "layerwise/cpu.h"
#include "layerwise/error.h"
#include "tests/reference_executor.h"

namespace layerwise {
namespace {

std::vector<float> randomValues(std::int64_t count, unsigned seed, double scale = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal(0, scale);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = static_cast<float>(normal(random));
  return values;
}

/// A small network with what detection nets are made of: batch norm, SiLU, a bottleneck with a
/// residual, a concatenation of tensors with odd channel counts, sibling 1x1 convolutions, pooling,
/// upsampling, and a head.
class SmallNet {
 public:
  explicit SmallNet(const Dims& input) {
    Tensor* x = &network.addInput("x", DataType::kFloat32, input);
    Tensor* stem = block(*x, 3, 13, 3, 2);
    Tensor* a = block(*stem, 13, 7, 1, 1);
    Tensor* b = block(*stem, 13, 9, 1, 1);
    Tensor* c = block(*block(*a, 7, 7, 1, 1), 7, 7, 3, 1);
    c = &network.addElementWise(*a, *c, ElementWiseOperation::kSum).output();
    auto& pool = network.addPooling(*b, PoolingType::kMax, {5, 5});
    pool->setPadding({2, 2});
    Tensor* joined = &network.addConcatenation({c, b, &pool.output()}).output();
    Tensor* down = block(*joined, 25, 17, 3, 2);
    auto& up = network.addResize(*down);
    up->scales = {1, 1, 2, 2};
    Tensor* again = &network.addConcatenation({&up.output(), joined}).output();
    auto& head = network.addConvolution(*block(*again, 42, 20, 3, 1), 11, {1, 1}, weights(20 * 11),
                                        weights(11));
    network.markOutput(head.output(), "y");
    Tensor& mean = network.addGlobalPooling(*down, PoolingType::kAverage).output();
    network.markOutput(
        network.addSoftmax(network.addFullyConnected(mean, 5, weights(85), weights(5)).output())
            .output(),
        "scores");
  }

  std::vector<double> reference(const std::string& output, const std::vector<float>& x,
                                const Dims& dims) const {
    Graph graph = makeGraph(network.state(), static_cast<std::size_t>(network.layerCount()),
                            WeightCopy::kCopy);
    ReferenceTensor in = ReferenceTensor::read({DataType::kFloat32, dims}, x.data());
    return ReferenceExecutor(graph).run({{"x", in}}).at(output).values;
  }

  Network network;

 private:
  Weights weights(std::int64_t count) { return network.keep(randomValues(count, ++seed_, 0.2)); }

  Tensor* block(Tensor& x, std::int64_t in, std::int64_t out, std::int64_t k, std::int64_t stride) {
    auto& conv = network.addConvolution(x, out, {k, k}, weights(in * out * k * k));
    conv->stride = {stride, stride};
    conv->setPadding({k / 2, k / 2});
    std::vector<float> variance = randomValues(out, ++seed_);
    for (float& v : variance) v = 0.5f + std::abs(v);
    auto& norm = network.addBatchNorm(conv.output(), weights(out), weights(out), weights(out),
                                      network.keep(variance), 1e-3);
    return &network.addActivation(norm.output(), ActivationType::kSilu).output();
  }

  unsigned seed_ = 0;
};

std::vector<float> run(ExecutionContext& context, const std::vector<float>& x, const Dims& dims,
                       const std::string& output = "y") {
  context.setInput("x", x.data(), dims);
  std::vector<float> result;
  std::vector<std::vector<float>> memory;
  for (const IoInfo& io : context.engine().outputs())
    memory.emplace_back(static_cast<std::size_t>(context.outputDims(io.name).volume()));
  for (std::size_t i = 0; i < memory.size(); ++i)
    context.setOutput(context.engine().outputs()[i].name, memory[i].data());
  context.run();
  for (std::size_t i = 0; i < memory.size(); ++i)
    if (context.engine().outputs()[i].name == output) result = memory[i];
  return result;
}

void expectClose(const std::vector<float>& values, const std::vector<double>& expected,
                 double tolerance = 1e-5) {
  ASSERT_EQ(values.size(), expected.size());
  double range = 1e-6, worst = 0;
  for (double v : expected) range = std::max(range, std::abs(v));
  for (std::size_t i = 0; i < values.size(); ++i)
    worst = std::max(worst, std::abs(static_cast<double>(values[i]) - expected[i]));
  EXPECT_LE(worst, tolerance * range);
}

TEST(Engine, GivesWhatTheReferenceGives) {
  Dims dims{1, 3, 40, 52};
  SmallNet net(dims);
  std::vector<float> x = randomValues(dims.volume(), 99);
  for (int level : {0, 1, 3}) {
    auto engine = buildEngine(net.network, {.threads = 2, .optimizationLevel = level});
    auto context = engine->createContext();
    expectClose(run(*context, x, dims, "y"), net.reference("y", x, dims));
    expectClose(run(*context, x, dims, "scores"), net.reference("scores", x, dims));
  }
}

TEST(Engine, WithoutWinogradNothingOfItIsConsidered) {
  auto inspected = [](bool winograd) {
    SmallNet net({1, 3, 40, 52});
    return buildEngine(net.network, {.threads = 1, .optimizationLevel = 0, .winograd = winograd})
        ->inspect(true);
  };
  EXPECT_NE(inspected(true).find("conv_winograd"), std::string::npos);
  EXPECT_EQ(inspected(false).find("conv_winograd"), std::string::npos);
}

// The picture's convolution is not offered in bfloat16 there, and the depthwise one reads float32.
TEST(Engine, KeepsAPictureInFloat32ForADepthwiseConvolution) {
  const std::string_view set = selectedCpuKernelSet();
  if (set != "avx512_bf16" && set != "amx") GTEST_SKIP() << "the choice is another elsewhere";
  Network network;
  unsigned seed = 0;
  const auto block = [&](Tensor& in, std::int64_t from, std::int64_t to, std::int64_t kernel,
                         std::int64_t stride, std::int64_t groups = 1) -> Tensor& {
    auto& layer = network.addConvolution(
        in, to, {kernel, kernel},
        network.keep(randomValues(from / groups * to * kernel * kernel, ++seed, 0.2)));
    layer->setPadding({kernel / 2, kernel / 2});
    layer->stride = {stride, stride};
    layer->groups = groups;
    return network.addActivation(layer.output(), ActivationType::kClip, 0, 6).output();
  };
  Tensor& picture = network.addInput("x", DataType::kFloat32, {1, 3, 224, 224});
  Tensor& stem = block(block(picture, 3, 32, 3, 2), 32, 32, 3, 1, 32);
  network.markOutput(block(block(block(stem, 32, 64, 1, 1), 64, 128, 3, 2), 128, 64, 3, 1), "y");
  const std::string report =
      buildEngine(network, {.threads = 1, .optimizationLevel = 0, .precision = DataType::kBFloat16})
          ->inspect();
  EXPECT_NE(report.find("conv_depthwise_f32bf16"), std::string::npos) << report;
  EXPECT_EQ(report.find("reformat x "), std::string::npos) << report;
  EXPECT_NE(report.find("conv_direct_bf16"), std::string::npos) << report;
}

TEST(Engine, WritesFloat32WhereAPluginReadsIt) {
  constexpr std::int64_t kChannels = 64, kAnchors = 3, kClasses = 80;
  Fields fields;
  fields.set("classes", kClasses);
  fields.set("masks", std::int64_t{0});
  fields.set("strides", std::vector<std::int64_t>{8});
  fields.set("anchors", std::vector<double>(2 * kAnchors, 10.0));
  Network network;
  Tensor& x = network.addInput("x", DataType::kFloat32, {1, kChannels, 40, 40});
  Tensor* map = &x;
  for (std::int64_t channels : {kChannels, kAnchors * (5 + kClasses)})
    map = &network
               .addConvolution(*map, channels, {1, 1},
                               network.keep(randomValues(kChannels * channels, 1, 0.2)))
               .output();
  map->setName("map");
  auto& decode = network.addPlugin({map}, createPlugin("yolov5_decode", 1, fields));
  network.markOutput(decode.output(), "rows");
  const std::string report =
      buildEngine(network, {.threads = 1, .optimizationLevel = 0, .precision = DataType::kBFloat16})
          ->inspect();
  if (report.find("conv_direct_bf16") == std::string::npos)
    GTEST_SKIP() << "the choice is another here";
  EXPECT_EQ(report.find("reformat map "), std::string::npos) << report;
}

TEST(Engine, RefusesAPrecisionThatIsNoFloatingPointType) {
  SmallNet net({1, 3, 40, 52});
  try {
    buildEngine(net.network, {.precision = DataType::kInt8});
    FAIL() << "built";
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()), "[builder] precision int8 is not a floating-point type");
  }
}

TEST(Engine, BatchThreadsAndContextsDoNotChangeABit) {
  SmallNet net({-1, 3, 40, 52});
  BuilderConfig config{.threads = 2, .optimizationLevel = 0};
  config.profile.inputs["x"] = {{1, 3, 40, 52}, {1, 3, 40, 52}, {5, 3, 40, 52}};
  auto engine = buildEngine(net.network, config);
  std::vector<float> x = randomValues(5 * 3 * 40 * 52, 7);
  auto whole = run(*engine->createContext({.threads = 3}), x, {5, 3, 40, 52});
  auto one = engine->createContext({.threads = 1});
  for (std::size_t i = 0; i < 5; ++i) {
    std::vector<float> image(x.begin() + static_cast<std::ptrdiff_t>(i * 6240),
                             x.begin() + static_cast<std::ptrdiff_t>((i + 1) * 6240));
    std::vector<float> y = run(*one, image, {1, 3, 40, 52});
    EXPECT_EQ(std::memcmp(y.data(), whole.data() + i * y.size(), y.size() * sizeof(float)), 0)
        << "image " << i;
  }
}

TEST(Engine, LanesOfABatchGiveWhatSharedStepsGive) {
  SmallNet net({-1, 3, 72, 88});
  // What needs the whole batch lies in the middle: the largest score over all images is taken off.
  Tensor& mean =
      net.network.addReduce(net.network.output(0), ReduceOperation::kMax, {0}, true).output();
  Tensor& off =
      net.network.addElementWise(net.network.output(0), mean, ElementWiseOperation::kSubtract)
          .output();
  net.network.markOutput(net.network.addActivation(off, ActivationType::kSigmoid).output(), "z");
  BuilderConfig config{.threads = 2, .optimizationLevel = 0};
  config.profile.inputs["x"] = {{1, 3, 72, 88}, {1, 3, 72, 88}, {7, 3, 72, 88}};
  auto engine = buildEngine(net.network, config);
  const Dims dims{7, 3, 72, 88};
  std::vector<float> x = randomValues(dims.volume(), 17);
  for (int threads : {1, 2, 3, 5}) {
    auto program = engine->state().program({dims}, threads, BatchOrder::kLanes);
    EXPECT_TRUE(std::any_of(program->steps.begin(), program->steps.end(),
                            [](const BoundStep& step) { return step.lane > 0; }))
        << threads;
    EXPECT_FALSE(std::all_of(program->steps.begin(), program->steps.end(),
                             [](const BoundStep& step) { return step.lane >= 0; }))
        << threads;
    auto lanes = engine->createContext({.threads = threads});
    auto shared = engine->createContext({.threads = threads});
    // A listener is shown whole tensors, so that nothing runs in lanes.
    shared->setTensorListener([&](std::string_view, const TensorView& tensor) {
      if (tensor.dims.rank() == 4) {
        EXPECT_TRUE(tensor.dims[0] == 7 || tensor.dims[0] == 1);
      }
    });
    for (const char* output : {"y", "scores", "z"})
      EXPECT_EQ(run(*lanes, x, dims, output), run(*shared, x, dims, output)) << output << threads;
    if (threads == 1) {
      EXPECT_LT(lanes->arenaBytes(), shared->arenaBytes());
    }
    shared->setTensorListener({});
    EXPECT_EQ(run(*lanes, x, dims), run(*shared, x, dims));
  }
  expectClose(run(*engine->createContext(), x, dims, "z"), net.reference("z", x, dims));
}

TEST(Engine, ABatchThatCannotBeDividedKeepsItsWork) {
  constexpr std::int64_t kBatch = 4;
  Network network;
  Tensor& x = network.addInput("x", DataType::kFloat32, {kBatch, 8, 16, 16});
  std::vector<float> weights = randomValues(8 * 8 * 9, 1);
  auto& conv = network.addConvolution(x, 8, {3, 3}, network.keep(weights));
  conv->setPadding({1, 1});
  // No shape for another batch: the sizes are given.
  auto& rows = network.addShuffle(conv.output());
  rows->setReshape({kBatch, 8 * 16 * 16});
  network.markOutput(rows.output(), "y");
  auto engine = buildEngine(network, {.threads = 2, .optimizationLevel = 0});
  const Engine::State& state = engine->state();
  auto program = state.program({{kBatch, 8, 16, 16}}, 2);
  double computed = 0, counted = 0;
  for (const BoundStep& step : program->steps) {
    EXPECT_EQ(step.lane, BoundStep::kNoLane);
    computed += step.flops;
  }
  for (const Region& region : state.selection.regions) counted += region.chosen.flops;
  EXPECT_GT(counted, 0);
  EXPECT_EQ(computed, counted);
}

TEST(Engine, AnErrorInALaneIsThrownAndTheContextGoesOn) {
  Dims dims{4, 3, 72, 88};
  SmallNet net(dims);
  auto engine = buildEngine(net.network, {.threads = 2, .optimizationLevel = 0});
  struct Refusing final : Profiler {
    bool refuses = true;
    void report(const Step&) override {
      if (refuses) throw Error(ErrorCode::kInternal, "[profiler] no");
    }
  } profiler;
  auto context = engine->createContext();
  std::vector<float> x = randomValues(dims.volume(), 3);
  std::vector<float> y = run(*context, x, dims);
  context->setProfiler(&profiler);
  EXPECT_THROW(run(*context, x, dims), Error);
  profiler.refuses = false;
  EXPECT_EQ(run(*context, x, dims), y);
}

TEST(Engine, ShapesMayChangeInsideTheProfile) {
  SmallNet net({1, 3, -1, -1});
  BuilderConfig config{.threads = 2, .optimizationLevel = 0};
  config.profile.inputs["x"] = {{1, 3, 16, 16}, {1, 3, 32, 32}, {1, 3, 64, 64}};
  auto engine = buildEngine(net.network, config);
  EXPECT_EQ(engine->outputs()[0].dims, (Dims{1, 11, -1, -1}));
  auto context = engine->createContext();
  for (Dims dims :
       {Dims{1, 3, 16, 64}, Dims{1, 3, 64, 20}, Dims{1, 3, 32, 32}, Dims{1, 3, 16, 64}}) {
    std::vector<float> x = randomValues(dims.volume(), 3);
    expectClose(run(*context, x, dims), net.reference("y", x, dims));
  }
  std::vector<float> x(3 * 65 * 32);
  try {
    context->setInput("x", x.data(), {1, 3, 65, 32});
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "[input x] 1x3x65x32 was given: dimension 2 is 65, the engine takes 16 to 64");
  }
}

TEST(Engine, ComesBackFromAPlanTheSame) {
  Dims dims{1, 3, 40, 52};
  SmallNet net(dims);
  net.network.metadata()["names"] = "a\nb";
  std::vector<float> x = randomValues(dims.volume(), 5);
  auto engine = buildEngine(net.network, {.threads = 2, .optimizationLevel = 1});
  std::vector<float> before = run(*engine->createContext(), x, dims);
  std::string path = testing::TempDir() + "engine_test.engine";
  engine->save(path);
  std::vector<std::string> warnings, choices;
  LoadOptions options{.threads = 2, .logger = [&](Severity severity, std::string_view text) {
                        (severity == Severity::kWarning ? warnings : choices).emplace_back(text);
                      }};
  for (auto loaded :
       {Engine::load(path, options), Engine::deserialize(engine->serialize(), options)}) {
    EXPECT_EQ(loaded->metadata().at("names"), "a\nb");
    std::vector<float> after = run(*loaded->createContext(), x, dims);
    EXPECT_EQ(before, after);
  }
  EXPECT_TRUE(warnings.empty()) << warnings.front();
  ASSERT_FALSE(choices.empty());
  EXPECT_TRUE(choices.back().starts_with("[engine ")) << choices.back();
  std::filesystem::remove(path);
}

// Whether its choices are taken, so that weights are read where they are packed, or made again.
TEST(Engine, WeightsThatAreNotAsStoredAreFoundAtLoad) {
  const Dims dims{1, 3, 40, 52};
  SmallNet net(dims);
  const auto engine = buildEngine(net.network, {.threads = 2, .optimizationLevel = 1});
  PlanContents contents = planContents(engine->state());
  const ConstantData* largest = nullptr;
  for (const Node& node : contents.graph.nodes)
    for (const ConstantData& w : node.weights)
      if (!largest || w.count > largest->count) largest = &w;
  const auto first = largest->bytes.get();
  const auto bytes = static_cast<std::size_t>(largest->count) * sizeOf(largest->type);
  ASSERT_GT(bytes, 16u << 10);
  for (const bool tuned : {true, false}) {
    if (!tuned) contents.tuned.clear();
    std::vector<std::byte> plan = writePlan(contents);
    const auto at = std::search(plan.begin(), plan.end(), first, first + bytes);
    ASSERT_NE(at, plan.end());
    at[static_cast<std::ptrdiff_t>(bytes / 2)] ^= std::byte{1};
    try {
      Engine::deserialize(plan, {.threads = 2});
      FAIL() << "tuned: " << tuned;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kBadFile);
      EXPECT_TRUE(std::string(error.what()).starts_with("[engine in memory] is damaged: "))
          << error.what();
    }
  }
}

TEST(Engine, LoadsWhateverItsPlansChoicesAre) {
  const Dims dims{1, 3, 40, 52};
  SmallNet net(dims);
  const std::vector<float> x = randomValues(dims.volume(), 5);
  const auto engine = buildEngine(net.network, {.threads = 2, .optimizationLevel = 1});
  const PlanContents contents = planContents(engine->state());
  const std::vector<TunedChoice>& built = contents.tuned.at(0).choices;
  const auto tunedAgain = [&](const auto& change) {
    PlanContents changed = contents;
    change(changed.tuned[0].choices);
    int warnings = 0;
    const auto loaded = Engine::deserialize(writePlan(changed),
                                            {.threads = 2, .logger = [&](Severity severity, auto) {
                                               warnings += severity == Severity::kWarning;
                                             }});
    expectClose(run(*loaded->createContext(), x, dims), net.reference("y", x, dims));
    if (!warnings) {
      EXPECT_EQ(planContents(loaded->state()).tuned.at(0).choices, built);
    }
    return warnings > 0;
  };
  using Choices = std::vector<TunedChoice>;
  EXPECT_FALSE(tunedAgain([](Choices&) {}));
  EXPECT_FALSE(tunedAgain([](Choices& c) { std::reverse(c.begin(), c.end()); }));
  EXPECT_FALSE(tunedAgain([](Choices& c) { c.push_back(c.front()); }));
  EXPECT_TRUE(tunedAgain([](Choices& c) { c.clear(); }));
  EXPECT_TRUE(tunedAgain([](Choices& c) { c.pop_back(); }));
  EXPECT_TRUE(tunedAgain([](Choices& c) { c[1].region.push_back(c[2].region.front()); }));
  EXPECT_TRUE(tunedAgain([](Choices& c) { ++c[1].version; }));
  EXPECT_TRUE(tunedAgain([](Choices& c) { c[1].parameters += " "; }));
  EXPECT_TRUE(tunedAgain([](Choices& c) { c[1].layouts.clear(); }));
}

TEST(Engine, ServesSeveralThreadsAtOnce) {
  Dims dims{1, 3, 24, 28};
  SmallNet net(dims);
  auto engine = buildEngine(net.network, {.threads = 1, .optimizationLevel = 0});
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      auto context = engine->createContext();
      std::vector<float> x = randomValues(dims.volume(), 50 + t);
      std::vector<float> first = run(*context, x, dims);
      for (int i = 0; i < 10; ++i) EXPECT_EQ(run(*context, x, dims), first);
    });
  for (std::thread& thread : threads) thread.join();
}

TEST(Engine, TellsTheProfilerAndTheListener) {
  struct Times final : Profiler {
    int steps = 0;
    void report(const Step& step) override {
      EXPECT_GE(step.seconds, 0);
      EXPECT_EQ(step.type, DataType::kFloat32);
      ++steps;
    }
  } times;
  Dims dims{1, 3, 24, 28};
  SmallNet net(dims);
  auto context = buildEngine(net.network, {.threads = 2, .optimizationLevel = 0})->createContext();
  context->setProfiler(&times);
  bool sawOutput = false;
  context->setTensorListener([&](std::string_view, const TensorView& tensor) {
    sawOutput |= tensor.dims == Dims{1, 11, 12, 14};
  });
  std::vector<float> x = randomValues(dims.volume(), 1);
  run(*context, x, dims);
  EXPECT_GT(times.steps, 5);
  EXPECT_TRUE(sawOutput);
}

TEST(Engine, FusesAndPlacesConcatenationsWithoutCopies) {
  // A C3 block: the halves of the merged first convolutions are a residual and a part of the
  // concatenation.
  struct Case {
    int bottlenecks;
    DataType precision;
    double tolerance;
  };
  for (const auto& [bottlenecks, precision, tolerance] :
       {Case{1, DataType::kFloat32, 1e-5}, Case{2, DataType::kFloat32, 1e-5},
        Case{1, DataType::kBFloat16, 2e-2}}) {
    Network network;
    unsigned seed = 0;
    auto weights = [&](std::int64_t count) {
      return network.keep(randomValues(count, ++seed, 0.2));
    };
    auto block = [&](Tensor& in, std::int64_t from, std::int64_t to, std::int64_t k) -> Tensor& {
      auto& conv = network.addConvolution(in, to, {k, k}, weights(from * to * k * k), weights(to));
      conv->setPadding({k / 2, k / 2});
      return network.addActivation(conv.output(), ActivationType::kSilu).output();
    };
    Dims dims{1, 24, 20, 24};
    Tensor& x = block(network.addInput("x", DataType::kFloat32, dims), 24, 32, 1);
    Tensor* m = &block(x, 32, 16, 1);
    Tensor& side = block(x, 32, 16, 1);
    for (int i = 0; i < bottlenecks; ++i)
      m = &network
               .addElementWise(*m, block(block(*m, 16, 16, 1), 16, 16, 3),
                               ElementWiseOperation::kSum)
               .output();
    network.markOutput(block(network.addConcatenation({m, &side}).output(), 32, 8, 1), "y");
    auto engine =
        buildEngine(network, {.threads = 2, .optimizationLevel = 0, .precision = precision});
    std::string report = engine->inspect();
    std::string steps = report.substr(0, report.find("chosen"));
    // With one bottleneck the residual's place is that of the sum, which float32 kernels, unlike
    // others, write before they read it.
    const bool noCopy = steps.find("portable_concatenation") == std::string::npos;
    if (precision == DataType::kFloat32) {
      EXPECT_EQ(noCopy, bottlenecks > 1) << report;
    } else if (steps.find("conv_direct_bf16") != std::string::npos) {
      EXPECT_TRUE(noCopy) << report;
    }
    EXPECT_EQ(steps.find("portable_slice"), std::string::npos) << report;
    EXPECT_EQ(steps.find("portable_activation"), std::string::npos) << report;
    EXPECT_NE(engine->inspect(true).find("\"regions\""), std::string::npos);
    std::vector<float> in = randomValues(dims.volume(), 77);
    Graph graph = makeGraph(network.state(), static_cast<std::size_t>(network.layerCount()),
                            WeightCopy::kCopy);
    ReferenceTensor image = ReferenceTensor::read({DataType::kFloat32, dims}, in.data());
    expectClose(run(*engine->createContext(), in, dims),
                ReferenceExecutor(graph).run({{"x", image}}).at("y").values, tolerance);
  }
}

TEST(Engine, MistakesAreNamed) {
  SmallNet net({1, 3, 40, 52});
  auto context = buildEngine(net.network, {.threads = 1, .optimizationLevel = 0})->createContext();
  auto message = [](auto&& call) {
    try {
      call();
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  float value = 0;
  EXPECT_EQ(message([&] { context->run(); }), "[input x] is not set");
  EXPECT_EQ(message([&] { context->setInput("z", &value, {1}); }),
            "[input z] the engine has none of that name; it has: x");
  EXPECT_EQ(message([&] {
              context->setInput("x", &value, {1, 3});
            }),
            "[input x] is 1x3x40x52, 1x3 was given");
  EXPECT_EQ(message([&] { buildEngine(net.network, {.device = "tpu"}); }).rfind("[device tpu]", 0),
            0u);
  EXPECT_EQ(message([&] { buildEngine(net.network, {.optimizationLevel = 9}); }),
            "[builder] optimisation level 9 is outside 0...5");
  Network open;
  open.markOutput(
      open.addActivation(open.addInput("x", DataType::kFloat32, {-1, 3}), ActivationType::kRelu)
          .output(),
      "y");
  EXPECT_EQ(message([&] { buildEngine(open); }),
            "[profile] input 'x' is -1x3: min, opt and max shapes are needed");
}

TEST(Engine, ABuildCanBeCancelled) {
  SmallNet net({1, 3, 40, 52});
  BuilderConfig config;
  config.progress = [](double, std::string_view) { return false; };
  try {
    buildEngine(net.network, config);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCancelled);
  }
}

TEST(Engine, ABuildTellsHowFarItIs) {
  SmallNet net({1, 3, 40, 52});
  for (int level : {1, 3, 5}) {
    std::vector<double> fractions;
    BuilderConfig config;
    config.optimizationLevel = level;
    config.progress = [&](double fraction, std::string_view phase) {
      EXPECT_FALSE(phase.empty());
      fractions.push_back(fraction);
      return true;
    };
    buildEngine(net.network, config);
    ASSERT_FALSE(fractions.empty());
    EXPECT_TRUE(std::is_sorted(fractions.begin(), fractions.end()));
    EXPECT_GE(fractions.front(), 0);
    EXPECT_LE(fractions.back(), 1);
  }
}

}  // namespace
}  // namespace layerwise
