// Launches that run as one (backends/opencl/nvidia/merged_launch.h): the bits of separate ones, on
// devices that take PTX; and that plan files keep how an engine runs.
#include <gtest/gtest.h>

#ifdef LAYERWISE_HAS_OPENCL

#include <cmath>
#include <cstring>
#include <thread>
#include <utility>

#include "backends/opencl/backend.h"
#include "backends/opencl/discovery.h"
#include "backends/opencl/executor.h"
#include "backends/opencl/nvidia/merged_check.h"
#include "backends/opencl/nvidia/run_modes.h"
#include "engine/compile.h"
#include "engine/engine_state.h"
#include "layerwise/builder.h"
#include "layerwise/thread_pool.h"
#include "tests/wave.h"

namespace layerwise {
namespace {

using opencl::ClExecutor;
using opencl::MergeOptions;
using opencl::ResidentShape;

constexpr ResidentShape kShapes[] = {{128, 2}, {128, 3}, {256, 1}};

/// Inverted residuals, a branch that is pooled and enlarged, a classifier; any batch.
class MixedNet {
 public:
  explicit MixedNet(std::int64_t size) : size_(size) {
    Tensor& x = network.addInput("x", DataType::kFloat32, {-1, 3, size, size});
    Tensor& stem = convolution(x, 3, 32, 3, 2, 1);
    Tensor& a = inverted(stem, 32, 2);
    Tensor& b = inverted(a, 32, 1);
    Tensor& sum = network.addElementWise(a, b, ElementWiseOperation::kSum).output();
    auto& pooled = network.addPooling(sum, PoolingType::kMax, {2, 2});
    pooled->stride = {2, 2};
    Tensor& low = convolution(pooled.output(), 32, 48, 3, 1, 1);
    auto& resized = network.addResize(low);
    resized->scales = {1, 1, 2, 2};
    Tensor& joined =
        network.addConcatenation(std::vector<Tensor*>{&sum, &resized.output()}).output();
    Tensor& last = convolution(joined, 80, 255, 1, 1, 1);
    Tensor& mean = network.addGlobalPooling(last, PoolingType::kAverage).output();
    auto& scores = network.addFullyConnected(mean, 17, weights(17 * 255), weights(17));
    network.markOutput(network.addSoftmax(scores.output()).output(), "y");
    network.markOutput(last, "map");
  }

  std::shared_ptr<const Engine> build(DataType precision, int level = 0,
                                      const std::string& device = "opencl") const {
    BuilderConfig config;
    config.device = device;
    config.precision = precision;
    config.optimizationLevel = level;
    config.profile.inputs["x"] = {dims(1), dims(1), dims(8)};
    return buildEngine(network, config);
  }

  Dims dims(std::int64_t images) const { return {images, 3, size_, size_}; }
  Network network;

 private:
  Weights weights(std::int64_t count) {
    return network.keep(wave(count, 0.37 + 0.01 * static_cast<double>(++used_)));
  }
  Tensor& convolution(Tensor& x, std::int64_t in, std::int64_t out, std::int64_t kernel,
                      std::int64_t stride, std::int64_t groups) {
    auto& made = network.addConvolution(x, out, {kernel, kernel},
                                        weights(out * in / groups * kernel * kernel), weights(out));
    made->stride = {stride, stride};
    made->setPadding({kernel / 2, kernel / 2});
    made->groups = groups;
    return network.addActivation(made.output(), ActivationType::kSilu).output();
  }
  Tensor& inverted(Tensor& x, std::int64_t channels, std::int64_t stride) {
    Tensor& wide = convolution(x, channels, 96, 1, 1, 1);
    Tensor& filtered = convolution(wide, 96, 96, 3, stride, 96);
    return convolution(filtered, 96, channels, 1, 1, 1);
  }
  std::int64_t size_;
  int used_ = 0;
};

/// An engine's program for a batch, and one executor.
class Runner {
 public:
  Runner(std::shared_ptr<const Engine> engine, const Dims& dims, std::optional<MergeOptions> merge)
      : engine_(std::move(engine)),
        program_(engine_->state().program({dims}, 1)),
        executor(device(), std::make_shared<ThreadPool>(1), merge),
        input_(wave(dims.volume(), 0.013)) {
    for (std::size_t i = 1; i < program_->io.size(); ++i)
      outputs.emplace_back(program_->io[i].bytes);
    executor.prepare(program_->steps, program_->memory, program_->io);
  }

  const opencl::Device& device() const { return *opencl::deviceOf(*engine_->state().backend); }

  void run(Profiler* profiler = nullptr) { executor.run(program_->steps, io(), profiler, {}); }
  void enqueue(cl_command_queue queue) {
    std::vector<IoMemory> memory;
    for (void* host : io()) memory.push_back({host, nullptr});
    executor.enqueue(program_->steps, memory, queue, nullptr);
  }
  std::size_t steps() const { return program_->steps.size(); }

 private:
  std::vector<void*> io() {
    std::vector<void*> io{input_.data()};
    for (auto& output : outputs) io.push_back(output.data());
    return io;
  }
  std::shared_ptr<const Engine> engine_;
  std::shared_ptr<const Program> program_;

 public:
  ClExecutor executor;
  std::vector<std::vector<std::byte>> outputs;

 private:
  std::vector<float> input_;
};

MergeOptions merging(const ResidentShape& shape) {
  return {.shape = shape, .builds = true, .traps = true};
}

class MergedLaunches : public testing::Test {
 protected:
  void SetUp() override {
    const opencl::Device* device = opencl::findDevice("opencl");
    if (!device) GTEST_SKIP() << "no OpenCL device";
    if (!opencl::mergingWorks(*device, kShapes[0]))
      GTEST_SKIP() << device->info().name << " runs no merged launches";
  }
};

TEST_F(MergedLaunches, PassTheirSelfTest) {
  for (const ResidentShape& shape : kShapes)
    EXPECT_TRUE(opencl::mergingWorks(*opencl::findDevice("opencl"), shape))
        << shape.threads << " x " << shape.groupsPerUnit;
}

TEST_F(MergedLaunches, GiveTheBitsOfSeparateOnes) {
  const MixedNet net(56);
  for (DataType precision : {DataType::kFloat32, DataType::kFloat16}) {
    const auto engine = net.build(precision);
    for (std::int64_t images : {1, 3, 8}) {
      Runner separate(engine, net.dims(images), std::nullopt);
      separate.run();
      for (const ResidentShape& shape : kShapes) {
        Runner merged(engine, net.dims(images), merging(shape));
        EXPECT_GE(merged.executor.mergedLaunches(), 1u);
        for (int i = 0; i < 20; ++i) {
          for (auto& output : merged.outputs) std::fill(output.begin(), output.end(), std::byte{});
          merged.run();
          ASSERT_EQ(merged.outputs, separate.outputs)
              << images << " images, " << opencl::runMode(merging(shape)) << ", run " << i;
        }
      }
    }
  }
}

TEST_F(MergedLaunches, TakeTurnsOnTwoThreads) {
  const MixedNet small(40), large(72);
  const auto a = small.build(DataType::kFloat16), b = large.build(DataType::kFloat16);
  auto work = [](std::shared_ptr<const Engine> engine, Dims dims, int* wrong) {
    Runner separate(engine, dims, std::nullopt), merged(engine, dims, merging({128, 3}));
    separate.run();
    for (int i = 0; i < 200; ++i) {
      merged.run();
      if (merged.outputs != separate.outputs) ++*wrong;
    }
  };
  int wrongA = 0, wrongB = 0;
  std::thread other(work, a, small.dims(2), &wrongA);
  work(b, large.dims(1), &wrongB);
  other.join();
  EXPECT_EQ(wrongA, 0);
  EXPECT_EQ(wrongB, 0);
}

TEST_F(MergedLaunches, TakeTurnsOnQueuesOfTheCallers) {
  const MixedNet net(40);
  const auto engine = net.build(DataType::kFloat16);
  Runner separate(engine, net.dims(1), std::nullopt);
  separate.run();
  Runner a(engine, net.dims(1), merging({128, 2})), b(engine, net.dims(1), merging({128, 3}));
  cl::CommandQueue first = a.device().createQueue(false), second = a.device().createQueue(false);
  for (int i = 0; i < 100; ++i) {
    a.enqueue(first());
    b.enqueue(second());
  }
  first.finish(), second.finish();
  EXPECT_EQ(a.outputs, separate.outputs);
  EXPECT_EQ(b.outputs, separate.outputs);
}

TEST_F(MergedLaunches, AreSeparateForAProfiler) {
  class Count final : public Profiler {
   public:
    void report(const Step& step) override {
      ++steps;
      if (step.seconds > 0) ++timed;
    }
    std::size_t steps = 0, timed = 0;
  } count;
  const MixedNet net(40);
  Runner merged(net.build(DataType::kFloat32), net.dims(1), merging({128, 2}));
  merged.run(&count);
  EXPECT_EQ(count.steps, merged.steps());
  EXPECT_EQ(count.timed, merged.steps());
}

TEST_F(MergedLaunches, LeaveOutLaunchesOfManyRounds) {
  const opencl::Device& device = *opencl::findDevice("opencl");
  opencl::ProgramSource source{.file = "nvidia/merged_check.cl"};
  source.define("THREADS", 128);
  source.define("LOCAL_INTS", opencl::kMostSharedBytes / sizeof(cl_int));
  const auto program = device.program(source);
  std::vector<opencl::Launch> launches(7);
  std::vector<opencl::PlacedLaunch> placed;
  for (std::size_t i = 0; i < launches.size(); ++i) {
    opencl::Launch& launch = launches[i];
    const opencl::Argument tensor = opencl::Argument::view({0, 0, DataType::kInt32, Dims{128}, {}});
    launch.program = program;
    launch.kernel = "exchange";
    launch.arguments = {tensor, tensor, opencl::Argument::integer(7),
                        opencl::Argument::integer(128)};
    launch.local = {128, 1, 1};
    launch.global = {128 * (i == 3 ? 3 * device.info().computeUnits + 1 : 1), 1, 1};
    placed.push_back({&launch, i});
  }
  auto ranges = [&](std::size_t rounds) {
    MergeOptions options = merging({128, 3});
    options.rounds = rounds;
    std::vector<std::pair<std::size_t, std::size_t>> found;
    for (const opencl::MergedLaunch& merged : mergeLaunches(device, placed, options))
      found.emplace_back(merged.begin, merged.end);
    return found;
  };
  using Ranges = std::vector<std::pair<std::size_t, std::size_t>>;
  EXPECT_EQ(ranges(0), (Ranges{{0, 7}}));
  EXPECT_EQ(ranges(1), (Ranges{{0, 3}, {4, 7}}));
  EXPECT_EQ(ranges(2), (Ranges{{0, 7}}));
}

// A program that is not there takes seconds to build, which a context's new shapes do not.
TEST_F(MergedLaunches, WaitForNoProgram) {
  const MixedNet net(24);
  const auto engine = net.build(DataType::kFloat16);
  // In a shape that no other test uses.
  MergeOptions options = merging({128, 1});
  options.builds = false;
  EXPECT_EQ(Runner(engine, net.dims(1), options).executor.mergedLaunches(), 0u);
  EXPECT_GE(Runner(engine, net.dims(1), merging({128, 1})).executor.mergedLaunches(), 1u);
  EXPECT_GE(Runner(engine, net.dims(1), options).executor.mergedLaunches(), 1u);
}

TEST_F(MergedLaunches, AreKeptByAnEngine) {
  const MixedNet net(56);
  const auto built = net.build(DataType::kFloat16, 1);
  const auto loaded = Engine::deserialize(built->serialize(), {.device = "opencl"});
  EXPECT_EQ(loaded->state().runMode, built->state().runMode);
  EXPECT_EQ(net.build(DataType::kFloat16, 0)->state().runMode, "");
}

TEST(RunMode, ThatADeviceLacksIsTheUsualOne) {
  const MixedNet net(24);
  const auto built = net.build(DataType::kFloat32, 0, "cpu");
  PlanContents plan = planContents(built->state());
  ASSERT_EQ(plan.tuned.size(), 1u);
  plan.tuned[0].choices.push_back({{}, "merged 17x4", 1, "", ""});
  const PlanContents read = readPlan(writePlan(plan));
  ASSERT_EQ(read.tuned.at(0).choices.size(), plan.tuned[0].choices.size());
  EXPECT_EQ(read.tuned[0].choices.back(), plan.tuned[0].choices.back());
  const auto loaded = Engine::deserialize(writePlan(plan), {.device = "cpu"});
  auto outputs = [&](const Engine& engine) {
    std::vector<float> x = wave(net.dims(2).volume(), 0.1), y(2 * 17), map(2 * 255 * 144);
    auto context = engine.createContext({.threads = 1});
    context->setInput("x", x.data(), net.dims(2));
    context->setOutput("y", y.data());
    context->setOutput("map", map.data());
    context->run();
    return y;
  };
  EXPECT_EQ(outputs(*loaded), outputs(*built));
}

}  // namespace
}  // namespace layerwise

#endif
