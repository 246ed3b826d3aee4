#include "backends/cpu/isa.h"
#include "layerwise/cpu.h"

namespace layerwise {

std::vector<std::string> cpuKernelSets() {
  std::vector<std::string> names;
  for (const cpu::CpuChoice& cpu : cpu::availableCpus()) names.push_back(cpu.name);
  return names;
}

std::string selectedCpuKernelSet() {
  return cpu::selectedCpu().name;
}

}  // namespace layerwise
