#include "apps/layerwise/step_times.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "apps/common/program.h"

namespace layerwise::apps {
namespace {

constexpr int kRuns = 11;

struct Step {
  std::string layers, tactic;
  double flops = 0.0, bytes = 0.0;
  std::vector<double> seconds;

  double median() {
    auto middle = seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() / 2);
    std::nth_element(seconds.begin(), middle, seconds.end());
    return *middle;
  }
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

void printStepTimes(ExecutionContext& context) {
  context.run();
  StepTimes times;
  context.setProfiler(&times);
  for (int i = 0; i < kRuns; ++i) {
    throwIfInterrupted();
    times.beginRun();
    context.run();
  }
  context.setProfiler(nullptr);
  double total = 0.0, flops = 0.0, bytes = 0.0;
  for (Step& step : times.steps()) total += step.median();
  fmt::print("\n{:>9} {:>6} {:>9} {:>8}  {}\n", "ms", "%", "GFLOP/s", "GB/s", "step");
  for (Step& step : times.steps()) {
    const double seconds = std::max(step.median(), 1e-12);
    fmt::print("{:9.3f} {:6.1f} {:9.1f} {:8.1f}  {}  [{}]\n", seconds * 1e3,
               100.0 * seconds / std::max(total, 1e-12), step.flops / seconds / 1e9,
               step.bytes / seconds / 1e9, step.layers, step.tactic);
    flops += step.flops;
    bytes += step.bytes;
  }
  total = std::max(total, 1e-12);
  fmt::print("{:9.3f} {:6.1f} {:9.1f} {:8.1f}  {} steps\n", total * 1e3, 100.0, flops / total / 1e9,
             bytes / total / 1e9, times.steps().size());
}

}  // namespace layerwise::apps
