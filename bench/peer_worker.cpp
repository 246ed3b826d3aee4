// Layerwise's side of bench/peers: builds an engine, or runs one when it is told to.
//
//   peer_worker build NETWORK FILE.wts FILE.engine THREADS fp32|bf16|int8 CALIBRATION.f32
//               [OPTION=VALUE...]
//   peer_worker serve FILE.engine THREADS INPUT.f32 OUTPUT OUTPUT.f32
//
// `build` prints the seconds of its parts as one line of JSON. `serve` runs once, writes the output
// named OUTPUT as plain float32 and prints a line of JSON; then it answers each line "run N" on
// standard input with 2 N numbers, the milliseconds of wall and processor time of each run. It ends
// with standard input.
#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "bench/calibration_images.h"
#include "layerwise/builder.h"
#include "layerwise/engine.h"
#include "layerwise/error.h"
#include "layerwise/network_registry.h"
#include "layerwise/weights.h"

namespace {

using namespace layerwise;

double wallMs() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double, std::milli>(now).count();
}

/// Of all threads of the process.
double processorMs() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return 1e3 * static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_nsec);
}

/// The largest resident size of this program so far; getrusage() would count what ran in this
/// process before it, too.
long peakKb() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return std::stol(line.substr(6));
  throw Error(ErrorCode::kIo, "[/proc/self/status] has no VmHWM");
}

/// The dimensions of one image.
Dims imageDims(const Network& network) {
  for (int i = 0; i < network.inputCount(); ++i) {
    if (network.input(i).name() != "images") continue;
    Dims dims = network.input(i).dims();
    dims[0] = 1;
    return dims;
  }
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("[network {}] has no input 'images'", network.name()));
}

/// Sets what `name` says; the calibrator of int8 is given back, for it must live until the build.
std::unique_ptr<Calibrator> setPrecision(const std::string& name, const std::string& calibration,
                                         const Dims& dims, BuilderConfig& config) {
  if (name == "fp32") return nullptr;
  if (name == "bf16") {
    config.precision = DataType::kBFloat16;
    return nullptr;
  }
  if (name != "int8")
    throw Error(ErrorCode::kInvalidArgument, fmt::format("[{}] is no precision", name));
  auto calibrator =
      makeCalibrator(CalibrationMethod::kMinMax, calibrationImages(calibration, dims));
  config.int8 = true;
  config.calibrator = calibrator.get();
  return calibrator;
}

int build(const std::vector<std::string>& words) {
  std::map<std::string, std::string> options;
  for (std::size_t i = 6; i < words.size(); ++i) {
    const std::size_t split = words[i].find('=');
    if (split == std::string::npos)
      throw Error(ErrorCode::kInvalidArgument, fmt::format("[{}] is no OPTION=VALUE", words[i]));
    options[words[i].substr(0, split)] = words[i].substr(split + 1);
  }
  BuilderConfig config;
  config.threads = std::stoi(words[3]);
  const double start = wallMs();
  const WeightMap weights = WeightMap::load(words[1], config.threads);
  const double parsed = wallMs();
  const Network network = NetworkRegistry::instance().define(words[0], weights, options);
  config.profile = defaultProfile(network);
  const auto calibrator = setPrecision(words[4], words[5], imageDims(network), config);
  const auto engine = buildEngine(network, config);
  const double built = wallMs();
  engine->save(words[2]);
  fmt::print("{{\"parse_ms\": {}, \"build_ms\": {}, \"save_ms\": {}, \"plan_bytes\": {}}}\n",
             parsed - start, built - parsed, wallMs() - built,
             std::filesystem::file_size(words[2]));
  return 0;
}

/// A detector's own suppression is not part of the comparison: no box reaches a confidence of 1.
constexpr float kDetectorOptions[] = {1.0f, 0.45f, 1.0f, 0.0f, 0.0f};

int serve(const std::vector<std::string>& words) {
  const long emptyKb = peakKb();
  const double start = wallMs();
  const int threads = std::stoi(words[1]);
  const auto engine = Engine::load(words[0], {.device = "cpu", .threads = threads, .logger = {}});
  const auto context = engine->createContext({.threads = threads, .pool = {}});
  std::vector<float> image;
  for (const IoInfo& input : engine->inputs()) {
    if (input.name == "options") {
      context->setInput(input.name, kDetectorOptions, input.dims);
    } else if (!input.hasDefault) {
      image = readFloats(words[2], static_cast<std::size_t>(input.dims.volume()));
      context->setInput(input.name, image.data(), input.dims);
    }
  }
  std::map<std::string, std::vector<float>> results;
  for (const IoInfo& output : engine->outputs()) {
    std::vector<float>& result = results[output.name];
    result.resize(static_cast<std::size_t>(context->outputDims(output.name).volume()));
    context->setOutput(output.name, result.data());
  }
  const auto wanted = results.find(words[3]);
  if (wanted == results.end())
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("[{}] has no output '{}'", words[0], words[3]));
  const double loaded = wallMs();
  context->run();
  std::ofstream file(words[4], std::ios::binary);
  file.write(reinterpret_cast<const char*>(wanted->second.data()),
             static_cast<std::streamsize>(wanted->second.size() * sizeof(float)));
  file.close();
  if (!file) throw Error(ErrorCode::kIo, fmt::format("[{}] cannot be written", words[4]));
  fmt::print("{{\"load_ms\": {}, \"empty_kb\": {}}}\n", loaded - start, emptyKb);
  std::fflush(stdout);

  std::string word;
  int runs = 0;
  while (std::cin >> word >> runs) {
    for (int i = 0; i < runs; ++i) {
      const double wall = wallMs(), processor = processorMs();
      context->run();
      fmt::print("{:.4f} {:.4f} ", wallMs() - wall, processorMs() - processor);
    }
    fmt::print("\n");
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string command = argc > 1 ? argv[1] : "";
  const std::vector<std::string> words(argv + std::min(argc, 2), argv + argc);
  try {
    if (command == "build" && words.size() >= 6) return build(words);
    if (command == "serve" && words.size() == 5) return serve(words);
    fmt::print(stderr,
               "peer_worker build NETWORK FILE.wts FILE.engine THREADS fp32|bf16|int8 "
               "CALIBRATION.f32 [OPTION=VALUE...]\n"
               "peer_worker serve FILE.engine THREADS INPUT.f32 OUTPUT OUTPUT.f32\n");
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
  }
  return 1;
}
