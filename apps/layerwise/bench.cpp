#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <filesystem>
#include <limits>
#include <mutex>
#include <numeric>
#include <thread>

#include "apps/common/build_settings.h"
#include "apps/common/command_line.h"
#include "apps/common/json_file.h"
#include "apps/common/program.h"
#include "apps/common/size.h"
#include "apps/layerwise/commands.h"
#include "apps/layerwise/step_times.h"
#include "apps/layerwise/tensors.h"
#include "layerwise/error.h"

namespace layerwise::apps {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kDefaultDuration = 3.0;
constexpr double kDefaultWarmUp = 200.0;

struct Plan {
  double duration = 0.0;  ///< seconds
  double warmUp = 0.0;    ///< milliseconds
  std::int64_t iterations = 0;
  int streams = 1;
  int threads = 0;
};

double secondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// The latencies of all runs in milliseconds, and the seconds they took together.
struct Measurement {
  std::vector<double> latencies;
  double seconds = 0.0;

  double percentile(double share) const {
    const auto last = static_cast<double>(latencies.size() - 1);
    const double at = share * last;
    const auto low = static_cast<std::size_t>(at);
    const std::size_t high = std::min(low + 1, latencies.size() - 1);
    return latencies[low] + (at - static_cast<double>(low)) * (latencies[high] - latencies[low]);
  }
  double mean() const {
    return std::accumulate(latencies.begin(), latencies.end(), 0.0) /
           static_cast<double>(latencies.size());
  }
  double throughput() const { return static_cast<double>(latencies.size()) / seconds; }
};

/// Runs one context again and again: the warm-up, then until both the time and the iterations are
/// reached.
std::vector<double> runStream(const Engine& engine, const Arrays& inputs, const Plan& plan,
                              const std::atomic<bool>& stop) {
  auto context = engine.createContext({.threads = plan.threads});
  const auto outputs = bindTensors(*context, inputs);
  const auto warm = Clock::now();
  do context->run();
  while (secondsSince(warm) * 1e3 < plan.warmUp && !interrupted() && !stop);
  std::vector<double> latencies;
  const auto start = Clock::now();
  while (!interrupted() && !stop &&
         (latencies.empty() || static_cast<std::int64_t>(latencies.size()) < plan.iterations ||
          secondsSince(start) < plan.duration)) {
    const auto before = Clock::now();
    context->run();
    latencies.push_back(secondsSince(before) * 1e3);
  }
  return latencies;
}

Measurement measure(const Engine& engine, const Arrays& inputs, const Plan& plan) {
  Measurement result;
  std::mutex mutex;
  std::exception_ptr failure;
  std::atomic<bool> stop = false;
  double longest = 0.0;
  const auto stream = [&] {
    try {
      const std::vector<double> own = runStream(engine, inputs, plan, stop);
      const double busy = std::accumulate(own.begin(), own.end(), 0.0) / 1e3;
      std::lock_guard lock(mutex);
      longest = std::max(longest, busy);
      result.latencies.insert(result.latencies.end(), own.begin(), own.end());
    } catch (...) {
      std::lock_guard lock(mutex);
      failure = std::current_exception();
      stop = true;
    }
  };
  std::vector<std::thread> threads;
  for (int i = 1; i < plan.streams; ++i) threads.emplace_back(stream);
  stream();
  for (std::thread& thread : threads) thread.join();
  if (failure) std::rethrow_exception(failure);
  throwIfInterrupted();
  result.seconds = longest;
  std::sort(result.latencies.begin(), result.latencies.end());
  return result;
}

/// What a user waits for before the engine is at speed.
struct Start {
  double loadSeconds = 0.0;
  double fileBytes = 0.0;
  double firstRunSeconds = 0.0, secondRunSeconds = 0.0;
};

void timeFirstRuns(const Engine& engine, const Arrays& inputs, int threads, Start& start) {
  auto context = engine.createContext({.threads = threads});
  const auto outputs = bindTensors(*context, inputs);
  for (double* seconds : {&start.firstRunSeconds, &start.secondRunSeconds}) {
    const auto before = Clock::now();
    context->run();
    *seconds = secondsSince(before);
  }
}

std::int64_t batchOf(const Arrays& inputs) {
  for (const auto& [name, array] : inputs)
    if (array.dims.rank() > 1) return array.dims[0];
  return 1;
}

std::string describe(const Arrays& inputs) {
  std::string text;
  for (const auto& [name, array] : inputs)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, toString(array.dims));
  return text;
}

nlohmann::ordered_json toJson(const Measurement& m, const Arrays& inputs, const Plan& plan,
                              const std::string& engine) {
  nlohmann::ordered_json shapes;
  for (const auto& [name, array] : inputs) shapes[name] = toString(array.dims);
  return {{"engine", engine},
          {"inputs", shapes},
          {"threads", plan.threads},
          {"streams", plan.streams},
          {"iterations", m.latencies.size()},
          {"latency_ms",
           {{"median", m.percentile(0.5)},
            {"min", m.latencies.front()},
            {"mean", m.mean()},
            {"max", m.latencies.back()},
            {"p90", m.percentile(0.9)},
            {"p95", m.percentile(0.95)},
            {"p99", m.percentile(0.99)}}},
          {"throughput", m.throughput()},
          {"images_per_second", m.throughput() * static_cast<double>(batchOf(inputs))}};
}

Plan readPlan(const CommandLine& line) {
  Plan plan;
  plan.iterations = line.integer("iterations", 10, 1, 1'000'000'000);
  // Iterations that are asked for are all there is, unless a time is, too.
  plan.duration =
      line.real("duration", line.given("iterations") ? 0.0 : kDefaultDuration, 0.0, 1e6);
  plan.warmUp = line.real("warmUp", kDefaultWarmUp, 0.0, 1e6);
  plan.streams = static_cast<int>(line.integer("streams", 1, 1, 256));
  return plan;
}

}  // namespace

int benchCommand(const Words& words) {
  CommandLine line(
      {.program = "layerwise bench",
       .summary = "Measures an engine's latency and throughput on random inputs.",
       .usage = {"ENGINE [OPTIONS]"},
       .examples = {"layerwise bench resnet18.engine --threads 2 --duration 10 --json out.json",
                    "layerwise bench yolov5s.engine --profile",
                    "layerwise bench yolov5s.engine --shapes images:4x3x640x640 --streams 2"}});
  line.option("duration", "S", "Measure for at least so many seconds (default: 3)");
  line.option("warmUp", "MS", "Run unmeasured for so many milliseconds before (default: 200)");
  line.option("iterations", "N", "Measure at least so many runs (default: 10)");
  line.option("streams,infStreams", "N", "Contexts that run side by side (default: 1)");
  line.option("shapes", "SHAPES", "Input shapes, as in images:4x3x640x640 (default: opt)");
  line.option("i,input", "NAME=FILE", "An input's values (default: random ones)");
  line.option("json,exportTimes", "FILE", "Write the results as JSON; - is standard output");
  line.flag("profile,dumpProfile", "Every step's time, rates and share of the measured peak, too");
  declareDeviceOptions(line);
  if (!line.parse(words)) return 0;
  if (line.positional().size() != 1) throw UsageError("[command line] one ENGINE needed");
  Plan plan = readPlan(line);
  const BuildSettings settings = readBuildSettings(line);
  const auto loading = Clock::now();
  const auto engine =
      Engine::load(line.positional()[0], {settings.device, settings.threads, settings.logger});
  Start start{secondsSince(loading),
              static_cast<double>(std::filesystem::file_size(line.positional()[0]))};
  plan.threads = settings.threads;
  Arrays inputs = readInputs(*engine, line.texts("input"));
  addRandomInputs(inputs, *engine, parseShapes(line.text("shapes"), "shapes"), 0);

  timeFirstRuns(*engine, inputs, plan.threads, start);
  const Measurement m = measure(*engine, inputs, plan);
  std::vector<StepTimes> steps;
  DevicePeak peak;
  if (line.isSet("profile")) {
    auto context = engine->createContext({.threads = plan.threads});
    const auto outputs = bindTensors(*context, inputs);
    steps = timeSteps(*context);
    peak = measurePeak(settings.device, plan.threads);
  }
  if (line.given("json")) {
    auto json = toJson(m, inputs, plan, line.positional()[0]);
    json["load_ms"] = start.loadSeconds * 1e3;
    json["first_run_ms"] = start.firstRunSeconds * 1e3;
    json["second_run_ms"] = start.secondRunSeconds * 1e3;
    if (!steps.empty()) json["steps"] = toJson(steps, peak);
    writeJson(line.text("json"), json);
  }
  if (settings.quiet || line.text("json") == "-") return 0;
  fmt::print("input       {}\n", describe(inputs));
  fmt::print("runs        {} in {:.2f} s, {} stream{} of {} threads\n", m.latencies.size(),
             m.seconds, plan.streams, plan.streams == 1 ? "" : "s",
             plan.threads ? std::to_string(plan.threads) : "all");
  fmt::print(
      "latency     median {:.3f} ms, min {:.3f}, mean {:.3f}, p90 {:.3f}, p95 {:.3f}, p99 "
      "{:.3f}\n",
      m.percentile(0.5), m.latencies.front(), m.mean(), m.percentile(0.9), m.percentile(0.95),
      m.percentile(0.99));
  fmt::print("throughput  {:.2f} runs/s, {:.2f} images/s\n", m.throughput(),
             m.throughput() * static_cast<double>(batchOf(inputs)));
  fmt::print(
      "start       loaded in {:.1f} ms ({:.2f} GB/s), first run {:.2f} ms, second {:.2f} ms\n",
      start.loadSeconds * 1e3, start.fileBytes / start.loadSeconds / 1e9,
      start.firstRunSeconds * 1e3, start.secondRunSeconds * 1e3);
  if (!steps.empty()) printStepTimes(steps, peak);
  return 0;
}

}  // namespace layerwise::apps
