#pragma once

#include <string>
#include <vector>

#include "layerwise/export.h"

namespace layerwise {

/// The sets of CPU kernels that this machine can run, from the least to the best: "portable",
/// "avx2", "avx2_vnni", "avx512", "avx512_vnni", "avx512_bf16", "amx". Each includes those before
/// it.
LAYERWISE_API std::vector<std::string> cpuKernelSets();

/// The one that engines are built for and run with: the best, or what the environment variable
/// LAYERWISE_CPU names. Throws Error where that is none of cpuKernelSets().
LAYERWISE_API std::string selectedCpuKernelSet();

}  // namespace layerwise
