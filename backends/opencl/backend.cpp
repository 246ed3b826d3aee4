#include "backends/opencl/backend.h"

#include <fmt/format.h>

#include <map>
#include <mutex>

#include "backends/opencl/cost.h"
#include "backends/opencl/discovery.h"
#include "backends/opencl/executor.h"
#include "backends/opencl/kernel_text.h"
#include "backends/opencl/reformat.h"
#include "backends/opencl/tactic_registry.h"
#include "layerwise/thread_pool.h"

namespace layerwise::opencl {
namespace {

class OpenClBackend final : public Backend {
 public:
  explicit OpenClBackend(const Device& device) : device_(device), registry_(device) {}

  const Device& device() const { return device_; }

  std::string name() const override { return "opencl " + device_.info().name; }
  std::string signature() const override {
    return fmt::format("opencl {} kernels {}", device_.identity(), kernelSetVersion());
  }
  int defaultThreads() const override { return ThreadPool().size(); }

  std::vector<const Tactic*> tactics() const override {
    std::vector<const Tactic*> all;
    for (const auto& tactic : registry_.all()) all.push_back(tactic.get());
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

  std::unique_ptr<Executor> createExecutor(std::shared_ptr<ThreadPool> pool) const override {
    return std::make_unique<ClExecutor>(device_, std::move(pool));
  }

 private:
  const Device& device_;
  TacticRegistry registry_;
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
