#include "backends/cpu/backend.h"

#include <fmt/format.h>

#include <algorithm>

#include "backends/cpu/cache_sizes.h"
#include "backends/cpu/conv_geometry.h"
#include "backends/cpu/conv_tactic.h"
#include "backends/cpu/executor.h"
#include "backends/cpu/isa.h"
#include "backends/cpu/kernel_table.h"
#include "backends/cpu/measure_peak.h"
#include "backends/cpu/reformat.h"
#include "backends/cpu/tactic_registry.h"
#include "layerwise/layers.h"

namespace layerwise::cpu {
namespace {

// What a core moves and how long a barrier takes, roughly: the cost model needs the order of
// magnitude.
constexpr double kBytesPerSecond = 5e9;
constexpr double kStepSeconds = 6e-6;

class CpuBackend final : public Backend {
 public:
  std::string name() const override { return "cpu"; }
  std::string signature() const override { return std::string("cpu ") + selectedCpu().name; }
  int defaultThreads() const override { return ThreadPool().size(); }

  std::vector<const Tactic*> tactics() const override {
    std::vector<const Tactic*> all;
    for (const auto& tactic : TacticRegistry::instance().all()) all.push_back(tactic.get());
    return all;
  }

  std::unique_ptr<Step> bindReformat(const BufferView& from, const BufferView& to,
                                     int workers) const override {
    return cpu::bindReformat(from, to, workers);
  }

  double reformatSeconds(const TensorInfo& info, const Layout& from, const Layout& to,
                         int workers) const override {
    double bytes = static_cast<double>(info.dims.volume()) *
                   static_cast<double>(sizeOf(from.type) + sizeOf(to.type));
    // Without a transposition it streams.
    double rate = from.order == to.order ? 2 * kBytesPerSecond : kBytesPerSecond;
    return kStepSeconds + bytes / (rate * workers);
  }

  std::size_t nearBytes() const override { return static_cast<std::size_t>(cacheSizes().l2); }

  std::unique_ptr<Executor> createExecutor(std::shared_ptr<ThreadPool> pool,
                                           std::string_view) const override {
    return std::make_unique<CpuExecutor>(std::move(pool));
  }

  DevicePeak measurePeak(int threads) const override { return cpu::measurePeak(threads); }

  bool keepsHeadsFloat() const override { return true; }

  // Winograd's algorithm on bytes takes any weights.
  bool favoursFittingPairs(const Node& layer) const override {
    const TypedConvKernels& bytes = typedConvKernels(Element::kUInt8, selectedCpu());
    if (!bytes.wide) return false;
    auto* c = layer.as<Convolution>();
    if (!c) return true;
    const std::vector<ConvConfig> candidates = typedConvCandidates(
        weightShape(*c, layer.weights[0].count), Element::kUInt8, bytes.width, bytes.registers);
    return std::none_of(candidates.begin(), candidates.end(), [](const ConvConfig& config) {
      return winogradOutput(config.method) != 0;
    });
  }
};

}  // namespace

const Backend& backend() {
  static const CpuBackend instance;
  return instance;
}

}  // namespace layerwise::cpu
