#include "apps/layerwise/step_times.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "apps/common/program.h"

namespace layerwise::apps {
namespace {

constexpr int kRuns = 21;

struct Step {
  std::string layers, tactic;
  double flops = 0.0, bytes = 0.0;
  std::vector<double> seconds;

  double median() {
    auto middle = seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() / 2);
    std::nth_element(seconds.begin(), middle, seconds.end());
    return *middle;
  }
  double least() const { return *std::min_element(seconds.begin(), seconds.end()); }
};

class StepTimes final : public Profiler {
 public:
  void beginRun() { next_ = 0; }
  void report(std::string_view layers, std::string_view tactic, double seconds, double flops,
              double bytes) override {
    if (next_ == steps_.size())
      steps_.push_back({std::string(layers), std::string(tactic), flops, bytes, {}});
    steps_[next_++].seconds.push_back(seconds);
  }
  std::vector<Step>& steps() { return steps_; }

 private:
  std::vector<Step> steps_;
  std::size_t next_ = 0;
};

}  // namespace

void printStepTimes(ExecutionContext& context, const DevicePeak& peak) {
  context.run();
  StepTimes times;
  context.setProfiler(&times);
  for (int i = 0; i < kRuns; ++i) {
    throwIfInterrupted();
    times.beginRun();
    context.run();
  }
  context.setProfiler(nullptr);
  // Rates are those of the least time: the step's own, without what else the machine did.
  double median = 0.0, least = 0.0, flops = 0.0, bytes = 0.0;
  for (Step& step : times.steps()) {
    median += step.median();
    least += step.least();
    flops += step.flops;
    bytes += step.bytes;
  }
  const auto row = [&](double middle, double seconds, double operations, double traffic,
                       const std::string& name) {
    seconds = std::max(seconds, 1e-12);
    // Winograd's convolutions count as the multiplications that they save: they may exceed the
    // peak.
    const std::string share =
        peak.flops > 0 ? fmt::format("{:.0f}", 100.0 * operations / seconds / peak.flops) : "-";
    fmt::print("{:9.3f} {:9.3f} {:6.1f} {:9.1f} {:>6} {:8.1f}  {}\n", middle * 1e3, seconds * 1e3,
               100.0 * seconds / std::max(least, 1e-12), operations / seconds / 1e9, share,
               traffic / seconds / 1e9, name);
  };
  if (peak.flops > 0)
    fmt::print("\npeak      {:.1f} GFLOP/s float32, {:.1f} GB/s copied\n", peak.flops / 1e9,
               peak.bytesPerSecond / 1e9);
  fmt::print("\n{:>9} {:>9} {:>6} {:>9} {:>6} {:>8}  {}\n", "median ms", "least ms", "%", "GFLOP/s",
             "peak %", "GB/s", "step");
  for (Step& step : times.steps())
    row(step.median(), step.least(), step.flops, step.bytes,
        fmt::format("{}  [{}]", step.layers, step.tactic));
  row(median, least, flops, bytes, fmt::format("{} steps", times.steps().size()));
}

}  // namespace layerwise::apps
