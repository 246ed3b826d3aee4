#include "backends/opencl/backend.h"

#include <fmt/format.h>

#include <cstdlib>
#include <map>
#include <mutex>
#include <optional>

#include "backends/opencl/cost.h"
#include "backends/opencl/discovery.h"
#include "backends/opencl/executor.h"
#include "backends/opencl/kernel_text.h"
#include "backends/opencl/nvidia/run_modes.h"
#include "backends/opencl/reformat.h"
#include "backends/opencl/tactic_registry.h"
#include "layerwise/thread_pool.h"

namespace layerwise::opencl {
namespace {

/// A processor's programs are machine code of this process: a plan file that comes from elsewhere
/// may not bring any. LAYERWISE_OPENCL_PLAN_PROGRAMS decides otherwise, 1 for all devices, 0 for
/// none.
bool plansHoldPrograms(const DeviceInfo& info) {
  const char* wanted = std::getenv("LAYERWISE_OPENCL_PLAN_PROGRAMS");
  return wanted && *wanted ? std::string_view(wanted) != "0" : !info.isCpu;
}

class OpenClBackend final : public Backend {
 public:
  explicit OpenClBackend(const Device& device) : device_(device) {}

  const Device& device() const { return device_; }

  std::string name() const override { return "opencl " + device_.info().name; }
  std::string signature() const override {
    return fmt::format("opencl {} kernels {}", device_.identity(), kernelSetVersion());
  }
  int defaultThreads() const override { return ThreadPool().size(); }

  std::vector<const Tactic*> tactics() const override {
    std::vector<const Tactic*> all;
    for (const auto& tactic : tried().registry.all()) all.push_back(tactic.get());
    return all;
  }

  std::unique_ptr<Step> bindReformat(const BufferView& from, const BufferView& to,
                                     int) const override {
    return opencl::bindReformat(device_, from, to);
  }

  double reformatSeconds(const TensorInfo& info, const Layout& from, const Layout& to,
                         int) const override {
    return CostModel(device_.info())
        .seconds(0, static_cast<double>(info.dims.volume()) *
                        static_cast<double>(sizeOf(from.type) + sizeOf(to.type)));
  }

  std::unique_ptr<Executor> createExecutor(std::shared_ptr<ThreadPool> pool,
                                           std::string_view mode) const override {
    std::optional<MergeOptions> merge = mergeOptionsOf(device_, mode);
    // A program that other shapes need and that is not there would take seconds.
    if (merge) merge->builds = false;
    return std::make_unique<ClExecutor>(device_, std::move(pool), merge);
  }

  bool hasRunModes() const override { return device_.capabilities().inlinePtx; }
  std::vector<std::string> runModes(std::span<const BoundStep> steps) const override {
    return opencl::runModes(device_, steps);
  }
  bool prepareMode(std::span<const BoundStep> steps, std::string_view mode) const override {
    const auto options = mergeOptionsOf(device_, mode);
    if (options) buildRunMode(device_, steps, *options);
    return options.has_value();
  }

  bool keepsCode() const override { return plansHoldPrograms(device_.info()); }

  std::vector<PackedBlob> compiledCode(std::span<const BoundStep> steps) const override {
    std::map<std::string, std::shared_ptr<const Program>> needed;
    for (const auto& program : tried().programs) needed[program->key] = program;
    for (const BoundStep& step : steps)
      if (auto* onDevice = dynamic_cast<const ClStep*>(step.step.get()))
        for (const Launch& launch : onDevice->launches())
          needed[launch.program->key] = launch.program;
    std::vector<PackedBlob> blobs;
    for (const auto& [key, program] : needed) {
      auto packed = std::make_shared<const std::string>(device_.programs().packedBinary(*program));
      if (!packed->empty())
        blobs.push_back({fmt::format("{} {}", program->name, key),
                         {packed, reinterpret_cast<const std::byte*>(packed->data())},
                         packed->size()});
    }
    return blobs;
  }

  void takeCode(std::span<const PackedBlob> blobs) const override {
    if (!keepsCode()) return;
    for (const PackedBlob& blob : blobs)
      device_.programs().offer(
          blob.name.substr(blob.name.rfind(' ') + 1),
          std::string(reinterpret_cast<const char*>(blob.bytes.get()), blob.size));
  }

 private:
  /// What the device can run, and the programs by which that was found out.
  struct Tried {
    explicit Tried(const Device& device) : registry(device), programs(device.programs().all()) {}
    TacticRegistry registry;
    std::vector<std::shared_ptr<const Program>> programs;
  };
  /// Tried when first asked for, so that code can be taken before.
  const Tried& tried() const {
    std::call_once(once_, [&] { tried_ = std::make_unique<Tried>(device_); });
    return *tried_;
  }

  const Device& device_;
  mutable std::once_flag once_;
  mutable std::unique_ptr<const Tried> tried_;
};

}  // namespace

const Backend* findBackend(std::string_view name) {
  const Device* device = findDevice(name);
  if (!device) return nullptr;
  static std::mutex mutex;
  static auto* backends = new std::map<const Device*, std::unique_ptr<OpenClBackend>>();
  std::lock_guard lock(mutex);
  auto& backend = (*backends)[device];
  if (!backend) backend = std::make_unique<OpenClBackend>(*device);
  return backend.get();
}

const Device* deviceOf(const Backend& backend) {
  auto* found = dynamic_cast<const OpenClBackend*>(&backend);
  return found ? &found->device() : nullptr;
}

std::vector<std::string> deviceNames() {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < devices().size(); ++i)
    names.push_back(fmt::format("opencl:{} ({})", i, devices()[i]->info().name));
  return names;
}

}  // namespace layerwise::opencl
