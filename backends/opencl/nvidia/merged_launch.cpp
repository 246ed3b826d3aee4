#include "backends/opencl/nvidia/merged_launch.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "layerwise/error.h"

namespace layerwise::opencl {
namespace {

// A kernel may take 32764 bytes of parameters.
constexpr std::size_t kMostParameterBytes = 31 * 1024;

// Fewer are not worth it: a launch with many parameters takes as long to start as two with few.
constexpr std::size_t kFewest = 3;

/// Kernels taken apart, each once.
class Kernels {
 public:
  Kernels(const Device& device, const MergeOptions& options) : device_(device), options_(options) {}

  /// nullptr where it is not merged.
  const PtxKernel* find(const Launch& launch) {
    const PtxKernel* kernel = parsed(launch);
    if (!kernel || options_.rounds == 0) return kernel;
    const std::size_t atOnce = slotsOf(*kernel, options_.shape) *
                               static_cast<std::size_t>(options_.shape.groupsPerUnit) *
                               device_.info().computeUnits;
    return launch.groups() <= options_.rounds * atOnce ? kernel : nullptr;
  }

 private:
  const PtxKernel* parsed(const Launch& launch) {
    auto key = std::tuple(launch.program->key, launch.kernel, launch.local);
    if (auto found = kernels_.find(key); found != kernels_.end())
      return found->second ? &*found->second : nullptr;
    auto& made = kernels_[std::move(key)];
    if (launch.threads() > static_cast<std::size_t>(options_.shape.threads) ||
        launch.threads() % 32 != 0)
      return nullptr;
    try {
      made = parsePtx(device_.programs().binary(*launch.program), launch.kernel, launch.local);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kUnsupported) throw;
      return nullptr;
    }
    if (made->sharedBytes > kMostSharedBytes) made.reset();
    return made ? &*made : nullptr;
  }

  const Device& device_;
  MergeOptions options_;
  std::map<std::tuple<std::string, std::string, std::array<std::size_t, 3>>,
           std::optional<PtxKernel>>
      kernels_;
};

/// What is the same buffer for all launches of an executor.
std::pair<int, const void*> identityOf(const Argument& argument) {
  const Argument::Value& content = argument.content();
  if (auto* view = std::get_if<BufferView>(&content))
    return {static_cast<int>(content.index()),
            reinterpret_cast<const void*>(static_cast<std::uintptr_t>(view->buffer))};
  if (auto* memory = std::get_if<cl::Buffer>(&content))
    return {static_cast<int>(content.index()), (*memory)()};
  return {static_cast<int>(content.index()), nullptr};
}

/// One merged launch in the making.
class Merger {
 public:
  Merger(const Device& device, const MergeOptions& options) : device_(device), options_(options) {}

  /// Whether it took the launch.
  bool add(const PlacedLaunch& placed, const PtxKernel& kernel) {
    const Launch& launch = *placed.launch;
    const auto buffers = buffers_.size();
    std::vector<std::byte> record((sizeof(MergedStep) + kernel.parameterBytes + 15) / 16 * 16);
    MergedStep step;
    const std::size_t groupsX = launch.global[0] / launch.local[0];
    const std::size_t groupsY = launch.global[1] / launch.local[1];
    step.groups = static_cast<std::uint32_t>(launch.groups());
    step.sizeX = static_cast<std::uint32_t>(groupsX);
    step.sizeY = static_cast<std::uint32_t>(groupsY);
    step.perX = mergedInverse(step.sizeX), step.perY = mergedInverse(step.sizeY);
    step.flags = options_.traps ? MergedStep::kTraps : 0;
    step.bytes = static_cast<std::uint32_t>(record.size());
    if (launch.groups() * std::max(groupsX, groupsY) >= std::size_t{1} << 32 ||
        !place(placed, kernel, record) ||
        parameterBytes(table_.size() + record.size()) > kMostParameterBytes) {
      buffers_.resize(buffers, Argument::failure());
      return false;
    }
    auto known = std::find(kernels_.begin(), kernels_.end(), &kernel);
    step.kernel = static_cast<std::uint32_t>(known - kernels_.begin());
    if (known == kernels_.end()) kernels_.push_back(&kernel);
    std::memcpy(record.data(), &step, sizeof step);
    last_ = table_.size();
    table_.insert(table_.end(), record.begin(), record.end());
    return true;
  }

  /// No program where there is none and none is built.
  MergedLaunch finish() {
    MergedStep step;
    std::memcpy(&step, &table_[last_], sizeof step);
    step.flags |= MergedStep::kLast;
    std::memcpy(&table_[last_], &step, sizeof step);
    table_.resize(roundedTable(table_.size()));
    std::vector<PtxKernel> kernels;
    for (const PtxKernel* kernel : kernels_) kernels.push_back(*kernel);
    const ResidentShape& shape = options_.shape;
    MergedLaunch made;
    made.program = device_.programs().fromText(
        "merged", mergePtx(kernels, table_.size(), buffers_.size(), shape), options_.builds);
    made.table = std::move(table_);
    made.buffers = std::move(buffers_);
    made.threads = static_cast<std::size_t>(shape.threads);
    made.groups = static_cast<std::size_t>(shape.groupsPerUnit) * device_.info().computeUnits;
    return made;
  }

 private:
  /// Writes what the kernel takes behind the step's record; false where that is not what it takes.
  bool place(const PlacedLaunch& placed, const PtxKernel& kernel, std::vector<std::byte>& record) {
    std::size_t at = 0;
    bool fits = true;
    auto write = [&](bool isBuffer, const void* data, std::size_t bytes) {
      if (at == kernel.parameters.size()) return fits = false;
      const PtxParameter& parameter = kernel.parameters[at++];
      if (parameter.isBuffer != isBuffer || parameter.bytes != bytes) return fits = false;
      std::memcpy(&record[sizeof(MergedStep) + parameter.offset], data, bytes);
      return true;
    };
    auto buffer = [&](const Argument& argument) {
      const std::uint64_t number = 8 * numberOf(argument);
      write(true, &number, sizeof number);
    };
    for (const Argument& argument : placed.launch->arguments) {
      const Argument::Value& content = argument.content();
      if (auto* bytes = std::get_if<Argument::Bytes>(&content)) {
        write(false, bytes->data(), bytes->size());
        continue;
      }
      if (std::get_if<Argument::Local>(&content)) return false;
      buffer(argument);
      if (auto offset = argument.offset(placed.step)) {
        const std::uint64_t elements = *offset;
        write(false, &elements, sizeof elements);
      }
    }
    return fits && at == kernel.parameters.size();
  }

  /// In large pieces, so that other shapes' programs are likely to be the same.
  static std::size_t roundedTable(std::size_t bytes) {
    return (bytes + kMergedTableMargin + 2047) / 2048 * 2048;
  }
  std::size_t parameterBytes(std::size_t table) const {
    return roundedTable(table) + (1 + buffers_.size()) * sizeof(cl_ulong);
  }

  std::size_t numberOf(const Argument& argument) {
    const auto identity = identityOf(argument);
    auto found = std::find_if(buffers_.begin(), buffers_.end(),
                              [&](const Argument& a) { return identityOf(a) == identity; });
    if (found == buffers_.end()) found = buffers_.insert(found, argument);
    return static_cast<std::size_t>(found - buffers_.begin());
  }

  const Device& device_;
  MergeOptions options_;
  std::vector<const PtxKernel*> kernels_;
  std::vector<Argument> buffers_;
  std::vector<std::byte> table_;
  std::size_t last_ = 0;  ///< where the last record begins
};

}  // namespace

std::vector<MergedLaunch> mergeLaunches(const Device& device,
                                        std::span<const PlacedLaunch> launches,
                                        const MergeOptions& options) {
  std::vector<MergedLaunch> merged;
  Kernels kernels(device, options);
  for (std::size_t begin = 0; begin < launches.size();) {
    Merger merger(device, options);
    std::size_t end = begin;
    for (; end < launches.size(); ++end) {
      const PtxKernel* kernel = kernels.find(*launches[end].launch);
      if (!kernel || !merger.add(launches[end], *kernel)) break;
    }
    if (end - begin >= kFewest)
      if (MergedLaunch made = merger.finish(); made.program) {
        made.begin = begin, made.end = end;
        merged.push_back(std::move(made));
      }
    begin = std::max(end, begin + 1);
  }
  return merged;
}

}  // namespace layerwise::opencl
