#include "backends/opencl/nvidia/merged_check.h"

#include <cstdint>
#include <memory>
#include <vector>

#include "backends/opencl/executor.h"
#include "backends/opencl/nvidia/merged_order.h"
#include "layerwise/error.h"
#include "layerwise/thread_pool.h"

namespace layerwise::opencl {
namespace {

constexpr int kSteps = 40, kRuns = 40;

/// Local memory of a multiprocessor, by CUDA's programming guide; 0 where it is not known.
int kilobytesOfUnit(int computeCapability) {
  switch (computeCapability) {
    case 80:
    case 87:
      return 164;
    case 86:
    case 89:
    case 120:
      return 100;
    case 90:
    case 100:
      return 228;
    default:
      return 0;
  }
}

bool computes(const Device& device, const ResidentShape& shape) {
  const auto threads = static_cast<std::uint32_t>(shape.threads);
  // Some groups more than are resident at once.
  const std::uint32_t groups =
      static_cast<std::uint32_t>(shape.groupsPerUnit) * device.info().computeUnits + 5;
  const std::uint32_t items = groups * threads;
  ProgramSource source{.file = "nvidia/merged_check.cl"};
  source.define("THREADS", threads);
  source.define("LOCAL_INTS", kMostSharedBytes / sizeof(std::uint32_t));
  std::vector<std::uint32_t> expected(items);
  for (std::uint32_t i = 0; i < items; ++i) expected[i] = i * 2654435761u;
  const std::vector<std::uint32_t> start = expected;
  std::vector<Launch> launches;
  for (std::uint32_t step = 0; step < kSteps; ++step) {
    const std::uint32_t stride = 2 * step + 7;
    std::vector<std::uint32_t> next(items);
    for (std::uint32_t i = 0; i < items; ++i) {
      const std::uint32_t turned = i / threads * threads + threads - 1 - i % threads;
      next[i] =
          expected[static_cast<std::uint64_t>(turned) * stride % items] * 1664525u + i / threads;
    }
    expected = std::move(next);
    // From the input to the arena, there to and fro, and to the output.
    auto place = [&](std::uint32_t number) {
      BufferView view{number == 0 ? 1 : number == kSteps ? 2 : 0, 0, DataType::kInt32, {}, {}};
      if (view.buffer == 0 && number % 2) view.byteOffset = items * sizeof(std::uint32_t);
      return Argument::view(view);
    };
    Launch launch;
    launch.program = device.program(source);
    launch.kernel = "exchange";
    launch.arguments = {place(step), place(step + 1), Argument::integer(stride),
                        Argument::integer(items)};
    launch.local = {threads, 1, 1};
    launch.global = {items, 1, 1};
    launches.push_back(std::move(launch));
  }
  std::vector<BoundStep> steps(1);
  steps[0].step = std::make_shared<ClStep>(std::move(launches));
  MergeOptions options{.shape = shape, .builds = true, .traps = false};
  ClExecutor executor(device, std::make_shared<ThreadPool>(1), options);
  const std::size_t bytes = items * sizeof(std::uint32_t);
  executor.prepare(steps, {2 * bytes},
                   std::vector<IoBuffer>{{bytes, true, false}, {bytes, false, true}});
  for (int run = 0; run < kRuns; ++run) {
    std::vector<std::uint32_t> result(items, 0);
    std::vector<void*> io{const_cast<std::uint32_t*>(start.data()), result.data()};
    executor.run(steps, io, nullptr, {});
    if (result != expected) return false;
  }
  return executor.mergedLaunches() == 1;
}

}  // namespace

bool mergingWorks(const Device& device, const ResidentShape& shape) {
  const Capabilities& can = device.capabilities();
  const int groupKilobytes = static_cast<int>(kMostSharedBytes / 1024) + 1;
  if (!can.inlinePtx || device.info().localBytes < kMostSharedBytes ||
      shape.groupsPerUnit * groupKilobytes > kilobytesOfUnit(can.computeCapability))
    return false;
  MergedOrder& order = device.mergedOrder();
  std::lock_guard lock(order.testing);
  if (auto found = order.works.find(shape); found != order.works.end()) return found->second;
  bool works = false;
  try {
    works = computes(device, shape);
  } catch (const Error&) {
  }
  return order.works[shape] = works;
}

}  // namespace layerwise::opencl
