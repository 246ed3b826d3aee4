#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace layerwise::cpu {

/// Instruction sets that have kernels of their own, each including the ones before it.
enum class Isa : uint8_t { kPortable, kAvx2, kAvx512 };

/// What the machine offers beyond its instruction set, which only some tactics use.
struct CpuFeatures {
  bool avx512Vnni = false;
  bool avx512Bf16 = false;
  bool amxTile = false;
  bool amxInt8 = false;
  bool amxBf16 = false;
};

const char* isaName(Isa isa);

/// Instruction sets that the processor has and the operating system saves the registers of.
const std::vector<Isa>& availableIsas();

/// Features of the processor, without regard to what the environment forces.
const CpuFeatures& cpuFeatures();

/// Parses "portable", "avx2" or "avx512". Throws Error where the name is unknown or this machine
/// lacks it; the message names what was asked for and what there is.
Isa parseIsa(std::string_view name);

/// The one to use: the environment variable LAYERWISE_CPU where it is set, else the best available.
Isa selectedIsa();

}  // namespace layerwise::cpu
