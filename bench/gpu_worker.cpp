// Layerwise's side of bench/gpu: builds an engine for a device and runs it when it is told to.
//
//   gpu_worker NETWORK FILE.wts DEVICE fp32|fp32-direct|tf32|fp16|int8 LEVEL INPUT.f32 NxCxHxW
//              OUTPUT OUTPUT.f32 [OPTION=VALUE...]
//
// Options are the network's, but for timing-cache=FILE. int8 is calibrated on the first images of
// the input; what stays in floating point is kept in float16. It runs once, writes the output named
// OUTPUT as plain float32 and prints a line of JSON. Then it answers each line "run ROUNDS RUNS" on
// standard input with ROUNDS numbers: milliseconds a run, of RUNS that follow one another on the
// device, inputs and outputs staying there. "separate ROUNDS RUNS" is the same without merging
// launches, "merged THREADSxGROUPS ROUNDS RUNS" with merging them so, whatever the engine found
// best. A line "profile" gives the steps with their milliseconds, one a line, and an empty line.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "backends/opencl/cl.h"
#include "bench/calibration_images.h"
#include "engine/engine_state.h"
#include "engine/network_state.h"
#include "layerwise/builder.h"
#include "layerwise/error.h"
#include "layerwise/network_registry.h"
#include "layerwise/opencl.h"
#include "layerwise/thread_pool.h"
#include "layerwise/timing_cache.h"
#include "layerwise/weights.h"

namespace {

using namespace layerwise;

double now() {
  const auto time = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double, std::milli>(time).count();
}

Dims parseShape(const std::string& text) {
  Dims dims;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t used = 0;
    dims.append(std::stoll(text.substr(at), &used));
    at += used + 1;
  }
  return dims;
}

/// The least of several runs, step by step.
class StepTimes : public Profiler {
 public:
  void report(const Step& step) override {
    if (at_ == steps_.size())
      steps_.push_back({std::string(step.layers), std::string(step.tactic), 1e9, 0, 0});
    Least& least = steps_[at_++];
    least.seconds = std::min(least.seconds, step.seconds);
    least.flops = step.flops, least.bytes = step.bytes;
  }
  void endRun() { at_ = 0; }
  void print() const {
    for (const Least& s : steps_)
      fmt::print("{:9.4f} ms {:8.1f} GFLOP/s {:7.1f} GB/s  {}  [{}]\n", s.seconds * 1e3,
                 s.flops / s.seconds * 1e-9, s.bytes / s.seconds * 1e-9, s.layers, s.tactic);
    fmt::print("\n");
  }

 private:
  struct Least {
    std::string layers, tactic;
    double seconds, flops, bytes;
  };
  std::vector<Least> steps_;
  std::size_t at_ = 0;
};

int work(const std::vector<std::string>& words) {
  std::map<std::string, std::string> options;
  for (std::size_t i = 9; i < words.size(); ++i) {
    const std::size_t split = words[i].find('=');
    if (split == std::string::npos)
      throw Error(ErrorCode::kInvalidArgument, fmt::format("[{}] is no OPTION=VALUE", words[i]));
    options[words[i].substr(0, split)] = words[i].substr(split + 1);
  }
  BuilderConfig config;
  config.device = words[2];
  const bool int8 = words[3] == "int8";
  if (words[3] == "fp16" || int8) config.precision = DataType::kFloat16;
  config.tf32 = words[3] == "tf32";
  config.winograd = words[3] != "fp32-direct";
  config.optimizationLevel = std::stoi(words[4]);
  TimingCache cache;
  const std::string cacheFile = options["timing-cache"];
  options.erase("timing-cache");
  if (!cacheFile.empty()) cache.load(cacheFile), config.timingCache = &cache;
  const WeightMap weights = WeightMap::load(words[1], 0);
  Network network = NetworkRegistry::instance().define(words[0], weights, options);
  const Dims shape = parseShape(words[6]);
  // A detector's suppression is no part of the comparison.
  std::erase_if(const_cast<NetworkState&>(network.state()).outputs,
                [&](const auto& output) { return output.second != words[7]; });
  config.profile = defaultProfile(network);
  Dims single = shape;
  single[0] = 1;
  config.profile.inputs["images"] = {int8 ? single : shape, shape, shape};
  std::unique_ptr<Calibrator> calibrator;
  if (int8) {
    constexpr std::size_t kCalibrationImages = 8;
    calibrator = makeCalibrator(CalibrationMethod::kMinMax,
                                calibrationImages(words[5], single, kCalibrationImages));
    config.int8 = true;
    config.calibrator = calibrator.get();
  }
  const double start = now();
  const auto engine = buildEngine(network, config);
  const double built = now();
  if (!cacheFile.empty()) cache.save(cacheFile);

  const Engine::State& state = engine->state();
  std::vector<float> image = readFloats(words[5], static_cast<std::size_t>(shape.volume()));
  std::vector<std::vector<std::byte>> memory;
  std::vector<void*> io;
  std::vector<Dims> dims;
  std::vector<std::vector<float>> unread;
  for (const IoInfo& input : engine->inputs()) {
    const bool isImages = input.name == "images";
    if (!isImages && !input.hasDefault)
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("[input {}] is not expected", input.name));
    // What a detector is told for its suppression is read by nothing that is left.
    dims.push_back(isImages ? shape : input.dims);
    unread.emplace_back(static_cast<std::size_t>(input.dims.isDynamic() ? 1 : input.dims.volume()));
    io.push_back(isImages ? image.data() : unread.back().data());
  }
  const auto pool = std::make_shared<ThreadPool>();
  const auto program = state.program(dims, pool->size());
  std::size_t wanted = engine->outputs().size();
  for (std::size_t i = 0; i < engine->outputs().size(); ++i) {
    memory.emplace_back(program->io[io.size()].bytes + 64);
    if (engine->outputs()[i].name == words[7]) wanted = i;
    io.push_back(memory.back().data());
  }
  if (wanted == engine->outputs().size())
    throw Error(ErrorCode::kInvalidArgument, fmt::format("[output {}] there is none", words[7]));
  auto executor = state.backend->createExecutor(pool, state.runMode);
  executor->prepare(program->steps, program->memory, program->io);
  executor->run(program->steps, io, nullptr, {});
  std::ofstream file(words[8], std::ios::binary);
  file.write(reinterpret_cast<const char*>(memory[wanted].data()),
             static_cast<std::streamsize>(
                 program->shapes.values[static_cast<std::size_t>(state.graph.outputs[wanted].value)]
                     .dims.volume() *
                 4));
  file.close();
  if (!file) throw Error(ErrorCode::kIo, fmt::format("[{}] cannot be written", words[8]));
  fmt::print("{{\"build_ms\": {}, \"steps\": {}, \"memory_bytes\": {}, \"mode\": \"{}\"}}\n",
             built - start, program->steps.size(), executor->memoryBytes(), state.runMode);
  std::fflush(stdout);

  std::vector<IoBuffer> resident = program->io;
  for (IoBuffer& buffer : resident) buffer.written = buffer.read = false;
  std::vector<IoMemory> places;
  for (void* host : io) places.push_back({host, nullptr});
  const cl::CommandQueue queue(cl::Context(openClContext(*engine), true),
                               cl::Device(openClDevice(*engine), true));
  std::string mode = state.runMode;
  std::string word;
  while (std::cin >> word) {
    std::string asked = word == "separate" ? "" : state.runMode;
    if (word == "merged" && std::cin >> asked) asked = "merged " + asked;
    if (asked != mode) {
      state.backend->prepareMode(program->steps, asked);
      executor = state.backend->createExecutor(pool, asked);
      executor->prepare(program->steps, program->memory, program->io);
      executor->run(program->steps, io, nullptr, {});
      mode = asked;
    }
    executor->prepare(program->steps, program->memory, resident);
    if (word == "profile") {
      StepTimes times;
      for (int i = 0; i < 10; ++i, times.endRun()) executor->run(program->steps, io, &times, {});
      times.print();
    } else {
      int rounds = 0, runs = 0;
      std::cin >> rounds >> runs;
      for (int i = 0; i < rounds; ++i) {
        const double began = now();
        for (int r = 0; r < runs; ++r) executor->enqueue(program->steps, places, queue(), nullptr);
        queue.finish();
        fmt::print("{:.5f} ", (now() - began) / runs);
      }
      fmt::print("\n");
    }
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  try {
    if (words.size() >= 9) return work(words);
    fmt::print(stderr,
               "gpu_worker NETWORK FILE.wts DEVICE fp32|fp32-direct|tf32|fp16|int8 LEVEL "
               "INPUT.f32 NxCxHxW OUTPUT OUTPUT.f32 [OPTION=VALUE...]\n");
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
  }
  return 1;
}
