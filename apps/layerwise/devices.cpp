#include <fmt/format.h>

#include <fstream>
#include <thread>

#include "apps/common/command_line.h"
#include "apps/common/json_file.h"
#include "apps/common/program.h"
#include "apps/layerwise/commands.h"
#include "layerwise/cpu.h"
#include "layerwise/opencl.h"
#include "layerwise/thread_pool.h"

namespace layerwise::apps {
namespace {

/// The instruction sets that kernels may be written for, where this processor has them.
std::vector<std::string> cpuFeatures() {
  std::vector<std::string> features;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("sse4.2")) features.push_back("sse4.2");
  if (__builtin_cpu_supports("avx2")) features.push_back("avx2");
  if (__builtin_cpu_supports("fma")) features.push_back("fma");
  if (__builtin_cpu_supports("avx512f")) features.push_back("avx512f");
  if (__builtin_cpu_supports("avx512bw")) features.push_back("avx512bw");
  if (__builtin_cpu_supports("avx512dq")) features.push_back("avx512dq");
  if (__builtin_cpu_supports("avx512vl")) features.push_back("avx512vl");
  if (__builtin_cpu_supports("avx512vnni")) features.push_back("avx512vnni");
  if (__builtin_cpu_supports("avx512bf16")) features.push_back("avx512bf16");
#endif
  return features;
}

std::string cpuModel() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name"))
      if (const std::size_t colon = line.find(": "); colon != line.npos)
        return line.substr(colon + 2);
  return "processor";
}

}  // namespace

int devicesCommand(const Words& words) {
  CommandLine line({.program = "layerwise devices",
                    .summary = "Lists the devices that engines can be built for and run on.",
                    .usage = {"[--json]"},
                    .examples = {"layerwise devices"}});
  line.flag("json", "As JSON");
  if (!line.parse(words)) return 0;
  const int threads = ThreadPool(0).size();
  const auto features = cpuFeatures();
  const std::vector<OpenClDevice> opencl = openClDevices();
  if (line.isSet("json")) {
    nlohmann::ordered_json list = {{{"name", "cpu"},
                                    {"model", cpuModel()},
                                    {"threads", threads},
                                    {"features", features},
                                    {"kernels", selectedCpuKernelSet()},
                                    {"kernel_sets", cpuKernelSets()}}};
    for (const OpenClDevice& device : opencl)
      list.push_back({{"name", device.name},
                      {"type", device.isCpu ? "cpu" : "gpu"},
                      {"model", device.model},
                      {"driver", device.driver},
                      {"compute_units", device.computeUnits},
                      {"memory_bytes", device.memoryBytes},
                      {"local_memory_bytes", device.localMemoryBytes},
                      {"features", device.abilities}});
    writeJson("-", list);
    return 0;
  }
  fmt::print("cpu  {}, {} threads ({}), {} kernels (of {})\n", cpuModel(), threads,
             fmt::join(features, " "), selectedCpuKernelSet(), fmt::join(cpuKernelSets(), ", "));
  for (const OpenClDevice& device : opencl)
    fmt::print("{}  {}, driver {}, {} compute units, {} MiB, {} KiB local ({})\n", device.name,
               device.model, device.driver, device.computeUnits, device.memoryBytes >> 20,
               device.localMemoryBytes >> 10, fmt::join(device.abilities, ", "));
  return 0;
}

}  // namespace layerwise::apps
