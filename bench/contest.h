#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "backends/cpu/tensor_ops.h"
#include "bench/contender.h"
#include "bench/conv_layers.h"
#include "bench/workers.h"

namespace layerwise::cpu {

/// GFLOP/s that all workers reach on registers.
inline double peakRate(const Peak& peak, Workers& workers) {
  constexpr int64_t kSteps = 1 << 16;
  constexpr int kRounds = 20;
  double best = 1e9;
  volatile float sink = 0;
  for (int round = 0; round < kRounds; ++round) {
    const double start = seconds();
    workers.run(workers.count(), [&](int, int64_t) { sink = peak.loop(kSteps); });
    best = std::min(best, seconds() - start);
  }
  return 1e-9 * static_cast<double>(kSteps) * peak.operations * workers.count() / best;
}

/// Prints what the contenders of each layer took, and at the end the sums of the best a network.
class Contest {
 public:
  explicit Contest(double peak) : peak_(peak) {}

  /// The first `ours` contenders are Layerwise's, a last one beyond them is oneDNN's.
  void report(const Layer& layer, const ConvShape& s, const std::vector<Contender>& contenders,
              size_t ours) {
    fmt::print("{} x{} {}x{} {}->{} k{} s{} g{}\n", layer.network, layer.count, layer.size,
               layer.width, layer.ci, layer.co, layer.kernel, layer.stride, layer.groups);
    const double work = 2e-9 * static_cast<double>(s.macs());
    double best = 1e9;
    for (size_t i = 0; i < contenders.size(); ++i) {
      const Contender& c = contenders[i];
      fmt::print("    {:40} {:9.1f} us {:8.1f} GFLOP/s {:5.1f} %\n", c.name, c.best * 1e6,
                 work / c.best, 100 * work / c.best / peak_);
      if (i < ours) best = std::min(best, c.best);
    }
    Sum& sum = sums_[layer.network];
    sum.work += layer.count * work;
    sum.ours += layer.count * best;
    if (contenders.size() > ours) sum.theirs += layer.count * contenders.back().best;
    std::fflush(stdout);
  }

  void summary() const {
    for (const auto& [network, sum] : sums_) {
      fmt::print("{}: {:.3f} ms, {:.1f} GFLOP/s, {:.1f} % of {:.1f}", network, sum.ours * 1e3,
                 sum.work / sum.ours, 100 * sum.work / sum.ours / peak_, peak_);
      if (sum.theirs > 0)
        fmt::print("; onednn {:.3f} ms, ours over onednn {:.2f}", sum.theirs * 1e3,
                   sum.ours / sum.theirs);
      fmt::print("\n");
    }
  }

 private:
  struct Sum {
    double work = 0, ours = 0, theirs = 0;
  };

  double peak_;
  std::map<std::string, Sum> sums_;
};

}  // namespace layerwise::cpu
