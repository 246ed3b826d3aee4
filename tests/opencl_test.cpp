// The OpenCL backend as a whole: devices by name, engines that move between devices, memory and
// queues of the caller's, and what its errors say.
#include <gtest/gtest.h>

#ifdef LAYERWISE_HAS_OPENCL

#include <cmath>
#include <filesystem>
#include <set>
#include <thread>

#include "backends/opencl/cl.h"
#include "backends/opencl/discovery.h"
#include "backends/opencl/executor.h"
#include "layerwise/builder.h"
#include "layerwise/error.h"
#include "layerwise/opencl.h"
#include "tests/wave.h"

namespace layerwise {
namespace {

/// What f throws says.
template <class F>
std::string errorOf(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

/// A convolution with a residual around another, pooling, and a classifier.
class SmallNet {
 public:
  SmallNet() {
    Tensor& x = network.addInput("x", DataType::kFloat32, kInput);
    Tensor& a = block(x, 3, 8, 3);
    Tensor& b = block(a, 8, 8, 3);
    Tensor& sum = network.addElementWise(a, b, ElementWiseOperation::kSum).output();
    Tensor& mean = network.addGlobalPooling(sum, PoolingType::kAverage).output();
    auto& scores = network.addFullyConnected(mean, 5, weights(5 * 8), weights(5));
    network.markOutput(network.addSoftmax(scores.output()).output(), "y");
  }

  std::shared_ptr<const Engine> build(const std::string& device,
                                      DataType precision = DataType::kFloat32) const {
    BuilderConfig config;
    config.device = device;
    config.precision = precision;
    config.optimizationLevel = 0;
    return buildEngine(network, config);
  }

  static constexpr std::int64_t kOutputs = 10;
  const Dims kInput{2, 3, 13, 11};
  Network network;

 private:
  Weights weights(std::int64_t count) {
    return network.keep(wave(count, 0.37 + 0.01 * static_cast<double>(++used_)));
  }
  Tensor& block(Tensor& x, std::int64_t in, std::int64_t out, std::int64_t kernel) {
    auto& made = network.addConvolution(x, out, {kernel, kernel},
                                        weights(out * in * kernel * kernel), weights(out));
    made->setPadding({kernel / 2, kernel / 2});
    return network.addActivation(made.output(), ActivationType::kSilu).output();
  }
  int used_ = 0;
};

std::vector<float> run(ExecutionContext& context, const SmallNet& net,
                       const std::vector<float>& x) {
  std::vector<float> y(SmallNet::kOutputs, -1);
  context.setInput("x", x.data(), net.kInput);
  context.setOutput("y", y.data());
  context.run();
  return y;
}

std::vector<float> run(const Engine& engine, const SmallNet& net, const std::vector<float>& x) {
  return run(*engine.createContext(), net, x);
}

void expectNear(const std::vector<float>& got, const std::vector<float>& want, double tolerance) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], tolerance) << i;
}

class OpenCl : public testing::Test {
 protected:
  void SetUp() override {
    if (opencl::devices().empty()) GTEST_SKIP() << "there is no OpenCL device here";
  }
  SmallNet net_;
  const std::vector<float> x_ = wave(2 * 3 * 13 * 11, 0.7);
};

TEST_F(OpenCl, FindsDevicesByNumberAndName) {
  const opencl::Device* first = opencl::devices().front().get();
  EXPECT_EQ(opencl::findDevice("opencl"), first);
  EXPECT_EQ(opencl::findDevice("opencl:0"), first);
  EXPECT_EQ(opencl::findDevice(first->info().name.substr(1)), first);
  EXPECT_EQ(opencl::findDevice("opencl:99"), nullptr);
  EXPECT_EQ(opencl::findDevice("opencl:0x"), nullptr);
  EXPECT_EQ(openClDevices().size(), opencl::devices().size());
}

TEST_F(OpenCl, SaysWhatItLookedForWhereThereIsNoSuchDevice) {
  std::string text = errorOf([] { findBackend("voodoo2"); });
  EXPECT_TRUE(text.starts_with("[device voodoo2] there is no such device; looked for")) << text;
  EXPECT_NE(text.find("opencl:0 (" + opencl::devices().front()->info().name), text.npos) << text;
}

TEST_F(OpenCl, EnginesMoveBetweenDevices) {
  auto onCpu = net_.build("cpu"), onDevice = net_.build("opencl");
  std::vector<float> want = run(*onCpu, net_, x_);
  expectNear(run(*onDevice, net_, x_), want, 1e-5);
  LoadOptions cpu, device;
  device.device = "opencl";
  expectNear(run(*Engine::deserialize(onCpu->serialize(), device), net_, x_), want, 1e-5);
  expectNear(run(*Engine::deserialize(onDevice->serialize(), cpu), net_, x_), want, 1e-5);
}

TEST_F(OpenCl, Float16EnginesAreCloseToFloat32) {
  auto engine = net_.build("opencl", DataType::kFloat16);
  expectNear(run(*engine, net_, x_), run(*net_.build("cpu"), net_, x_), 5e-3);
}

TEST_F(OpenCl, WithoutWinogradNothingOfItIsConsidered) {
  auto inspected = [&](bool winograd) {
    BuilderConfig config;
    config.device = "opencl";
    config.optimizationLevel = 0;
    config.winograd = winograd;
    return buildEngine(net_.network, config)->inspect(true);
  };
  EXPECT_NE(inspected(true).find("conv_winograd"), std::string::npos);
  EXPECT_EQ(inspected(false).find("conv_winograd"), std::string::npos);
}

TEST_F(OpenCl, ContextsOnSeveralThreadsGiveTheSameBits) {
  auto engine = net_.build("opencl");
  std::vector<float> want = run(*engine, net_, x_);
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i)
    threads.emplace_back([&] {
      auto context = engine->createContext();
      for (int round = 0; round < 3; ++round) EXPECT_EQ(run(*context, net_, x_), want);
    });
  for (std::thread& thread : threads) thread.join();
}

TEST_F(OpenCl, ProfilerAndListenerHearOfEveryStep) {
  class Times final : public Profiler {
   public:
    void report(const Step& step) override {
      ++steps;
      EXPECT_GE(step.seconds, 0);
    }
    int steps = 0;
  } times;
  auto context = net_.build("opencl")->createContext();
  std::set<std::string> heard;
  context->setProfiler(&times);
  context->setTensorListener([&](std::string_view name, const TensorView& tensor) {
    heard.emplace(name);
    EXPECT_GT(tensor.dims.volume(), 0);
  });
  run(*context, net_, x_);
  EXPECT_GE(times.steps, 4);
  EXPECT_GE(heard.size(), 4u);
}

TEST_F(OpenCl, RunsOnTheCallersQueueAndMemory) {
  auto engine = net_.build("opencl");
  std::vector<float> want = run(*engine, net_, x_);
  cl::Context clContext(openClContext(*engine), true);
  cl::CommandQueue queue(clContext, cl::Device(openClDevice(*engine), true));
  std::size_t bytes = x_.size() * sizeof(float);
  cl::Buffer x(clContext, CL_MEM_READ_WRITE, bytes);
  cl::Buffer y(clContext, CL_MEM_READ_WRITE, SmallNet::kOutputs * sizeof(float));
  queue.enqueueWriteBuffer(x, CL_TRUE, 0, bytes, x_.data());
  auto context = engine->createContext();
  setInputMemory(*context, "x", x(), net_.kInput);
  setOutputMemory(*context, "y", y());
  cl_event done = nullptr;
  enqueue(*context, queue(), &done);
  ASSERT_NE(done, nullptr);
  cl::Event event(done);
  event.wait();
  std::vector<float> got(SmallNet::kOutputs);
  auto fetch = [&] {
    queue.enqueueReadBuffer(y, CL_TRUE, 0, got.size() * sizeof(float), got.data());
  };
  fetch();
  EXPECT_EQ(got, want);

  // run() takes them too, and waits; the host's memory may take one's place again.
  queue.enqueueFillBuffer(y, 0.f, 0, SmallNet::kOutputs * sizeof(float));
  queue.finish();
  context->run();
  fetch();
  EXPECT_EQ(got, want);
  EXPECT_EQ(run(*context, net_, x_), want);

  cl::Buffer small(clContext, CL_MEM_READ_WRITE, 8);
  setInputMemory(*context, "x", small(), net_.kInput);
  std::string text = errorOf([&] { context->run(); });
  EXPECT_NE(text.find("holds 8 bytes"), text.npos) << text;
}

TEST_F(OpenCl, CpuEnginesHaveNoQueues) {
  auto engine = net_.build("cpu");
  EXPECT_NE(errorOf([&] { openClContext(*engine); }).find("not on OpenCL"), std::string::npos);
  std::vector<float> y(SmallNet::kOutputs);
  auto context = engine->createContext();
  context->setInput("x", x_.data(), net_.kInput);
  context->setOutput("y", y.data());
  int queue = 0;
  EXPECT_NE(errorOf([&] { context->enqueue(&queue); }).find("neither queues"), std::string::npos);
}

TEST_F(OpenCl, BuildErrorsHoldTheLogAndTheCode) {
  opencl::ProgramSource source{.file = "copy.cl"};
  source.define("T0", "no_such_type");
  std::string text = errorOf([&] { opencl::devices().front()->program(source); });
  EXPECT_TRUE(text.starts_with("[opencl program copy.cl] CL_BUILD_PROGRAM_FAILURE")) << text;
  EXPECT_NE(text.find("no_such_type"), text.npos) << text;
}

TEST_F(OpenCl, OutOfMemorySaysHowMuchWasNeeded) {
  const opencl::Device& device = *opencl::devices().front();
  std::string text = errorOf([&] { device.allocate(std::size_t{1} << 50, "a test"); });
  EXPECT_NE(text.find("1125899906842880 bytes for a test were refused: "), text.npos) << text;
  EXPECT_NE(text.find(std::to_string(device.info().globalBytes) + " bytes"), text.npos) << text;
}

TEST_F(OpenCl, ProgramsAreBuiltOnce) {
  opencl::ProgramSource source{.file = "copy.cl"};
  source.define("T0", "uint");
  const opencl::Device& device = *opencl::devices().front();
  EXPECT_EQ(device.program(source), device.program(source));
}

TEST_F(OpenCl, ABinaryIsTakenWhereItFitsAndIsWhole) {
  const opencl::Device& device = *opencl::devices().front();
  ::setenv("LAYERWISE_OPENCL_CACHE", "", 1);
  auto cacheFor = [&](const std::string& identity) {
    return std::make_unique<opencl::ProgramCache>(device.context(), device.handle(), identity);
  };
  opencl::ProgramSource source{.file = "copy.cl"};
  source.define("T0", "ushort");
  auto first = cacheFor("driver 1");
  auto program = first->get(source);
  const std::string packed = first->packedBinary(*program);
  EXPECT_EQ(first->compilations(), 1u);
  ASSERT_GT(packed.size(), 40u);

  auto compilations = [&](const std::string& identity, const std::string& binary) {
    auto cache = cacheFor(identity);
    cache->offer(program->key, binary);
    auto made = cache->get(source);
    EXPECT_EQ(made->handle.getInfo<CL_PROGRAM_KERNEL_NAMES>(),
              program->handle.getInfo<CL_PROGRAM_KERNEL_NAMES>());
    EXPECT_EQ(cache->get(source), made);
    return cache->compilations();
  };
  EXPECT_EQ(compilations("driver 1", packed), 0u);
  EXPECT_EQ(compilations("driver 2", packed), 1u);
  EXPECT_EQ(compilations("driver 1", ""), 1u);
  EXPECT_EQ(compilations("driver 1", packed.substr(0, packed.size() / 2)), 1u);
  std::string flipped = packed;
  flipped[packed.size() / 2] = static_cast<char>(flipped[packed.size() / 2] ^ 4);
  EXPECT_EQ(compilations("driver 1", flipped), 1u);
  ::unsetenv("LAYERWISE_OPENCL_CACHE");
}

TEST_F(OpenCl, OnlyWhereItMayAPlanHoldsPrograms) {
  auto engine = net_.build("opencl");
  ::setenv("LAYERWISE_OPENCL_PLAN_PROGRAMS", "0", 1);
  const std::size_t without = engine->serialize().size();
  EXPECT_EQ(engine->inspect().find("programs,"), std::string::npos);
  ::setenv("LAYERWISE_OPENCL_PLAN_PROGRAMS", "1", 1);
  EXPECT_GT(engine->serialize().size(), without + 1000);
  EXPECT_NE(engine->inspect().find("programs,"), std::string::npos);
  ::unsetenv("LAYERWISE_OPENCL_PLAN_PROGRAMS");
  if (opencl::devices().front()->info().isCpu) {
    EXPECT_EQ(engine->serialize().size(), without);
  }
}

TEST_F(OpenCl, AnIndexOutsideOfTheDataIsAnError) {
  Network network;
  Tensor& data = network.addInput("data", DataType::kFloat32, {4});
  Tensor& indices = network.addInput("indices", DataType::kInt32, {2});
  network.markOutput(network.add(Gather{}, {&data, &indices}).output(), "y");
  BuilderConfig config;
  config.device = "opencl";
  config.optimizationLevel = 0;
  auto context = buildEngine(network, config)->createContext();
  const float values[4] = {1, 2, 3, 4};
  std::int32_t where[2] = {-4, 3};
  float y[2] = {};
  context->setInput("data", values, {4});
  context->setInput("indices", where, {2});
  context->setOutput("y", y);
  context->run();
  EXPECT_EQ(y[0], 1);
  EXPECT_EQ(y[1], 4);
  where[1] = 4;
  EXPECT_NE(errorOf([&] { context->run(); }).find("outside of the data"), std::string::npos);
  where[1] = 0;
  context->run();
  EXPECT_EQ(y[1], 1);
}

}  // namespace
}  // namespace layerwise

#else

TEST(OpenCl, IsNotBuilt) {
  GTEST_SKIP() << "this build has no OpenCL backend";
}

#endif
