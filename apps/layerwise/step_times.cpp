#include "apps/layerwise/step_times.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "apps/common/program.h"

namespace layerwise::apps {
namespace {

constexpr int kRuns = 21;

/// The seconds of each step, run after run. A step that is run for one part of a batch after the
/// other is told of as often: it counts once, with all of its work.
class StepProfiler final : public Profiler {
 public:
  void beginRun() { ++runs_; }
  void report(const Step& step) override {
    auto [found, isNew] =
        indices_.try_emplace(fmt::format("{}\n{}", step.layers, step.tactic), steps_.size());
    if (isNew) {
      steps_.push_back({std::string(step.layers), std::string(step.tactic), step.type, 0, 0, 0, 0});
      seconds_.emplace_back();
    }
    std::vector<double>& seconds = seconds_[found->second];
    if (seconds.size() < runs_) seconds.push_back(0);
    seconds.back() += step.seconds;
    if (runs_ > 1) return;
    steps_[found->second].flops += step.flops;
    steps_[found->second].bytes += step.bytes;
  }

  std::vector<StepTimes> summary() {
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      std::sort(seconds_[i].begin(), seconds_[i].end());
      steps_[i].median = seconds_[i][seconds_[i].size() / 2];
      steps_[i].least = seconds_[i].front();
    }
    return steps_;
  }

 private:
  std::vector<StepTimes> steps_;
  std::vector<std::vector<double>> seconds_;
  std::map<std::string, std::size_t> indices_;
  std::size_t runs_ = 0;
};

double perSecond(double amount, double seconds) {
  return amount / std::max(seconds, 1e-12);
}

StepTimes sumOf(const std::vector<StepTimes>& steps) {
  StepTimes sum;
  for (const StepTimes& step : steps) {
    sum.flops += step.flops;
    sum.bytes += step.bytes;
    sum.median += step.median;
    sum.least += step.least;
  }
  return sum;
}

}  // namespace

double StepTimes::flopRate() const {
  return perSecond(flops, least);
}

double StepTimes::byteRate() const {
  return perSecond(bytes, least);
}

double StepTimes::shareOf(const DevicePeak& peak) const {
  double most = peak.operations(type);
  return most > 0 ? flopRate() / most : 0;
}

std::vector<StepTimes> timeSteps(ExecutionContext& context) {
  context.run();
  StepProfiler profiler;
  context.setProfiler(&profiler);
  for (int i = 0; i < kRuns; ++i) {
    throwIfInterrupted();
    profiler.beginRun();
    context.run();
  }
  context.setProfiler(nullptr);
  return profiler.summary();
}

void printStepTimes(const std::vector<StepTimes>& steps, const DevicePeak& peak) {
  const StepTimes sum = sumOf(steps);
  const auto row = [&](const StepTimes& step, const std::string& share, const std::string& name) {
    fmt::print("{:9.3f} {:9.3f} {:6.1f} {:9.1f} {:>6} {:8.1f}  {}\n", step.median * 1e3,
               step.least * 1e3, 100.0 * perSecond(step.least, sum.least), step.flopRate() / 1e9,
               share, step.byteRate() / 1e9, name);
  };
  if (peak.flops > 0)
    fmt::print(
        "\npeak      {:.1f} GFLOP/s float32, {:.1f} bfloat16, {:.1f} GOP/s uint8, {:.1f} GB/s "
        "copied\n",
        peak.flops / 1e9, peak.bfloat16Flops / 1e9, peak.byteOperations / 1e9,
        peak.bytesPerSecond / 1e9);
  fmt::print("\n{:>9} {:>9} {:>6} {:>9} {:>6} {:>8}  {}\n", "median ms", "least ms", "%", "GFLOP/s",
             "peak %", "GB/s", "step");
  for (const StepTimes& step : steps)
    row(step,
        peak.operations(step.type) > 0 ? fmt::format("{:.0f}", 100.0 * step.shareOf(peak)) : "-",
        fmt::format("{}  [{}, {}]", step.layers, step.tactic, toString(step.type)));
  row(sum, "", fmt::format("{} steps", steps.size()));
}

nlohmann::ordered_json toJson(const std::vector<StepTimes>& steps, const DevicePeak& peak) {
  auto all = nlohmann::ordered_json::array();
  for (const StepTimes& step : steps) {
    all.push_back({{"layers", step.layers},
                   {"tactic", step.tactic},
                   {"type", toString(step.type)},
                   {"median_ms", step.median * 1e3},
                   {"min_ms", step.least * 1e3},
                   {"gflops", step.flopRate() / 1e9},
                   {"gbytes_per_second", step.byteRate() / 1e9}});
    if (double share = step.shareOf(peak); share > 0) all.back()["share_of_peak"] = share;
  }
  return all;
}

}  // namespace layerwise::apps
