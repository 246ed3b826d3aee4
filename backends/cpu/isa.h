#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace layerwise::cpu {

/// Instruction sets that have kernels of their own, each including the ones before it.
enum class Isa : uint8_t { kPortable, kAvx2, kAvx512 };

/// What the machine offers beyond its instruction set, which only some tactics use.
struct CpuFeatures {
  bool avxVnni = false;  ///< on 256 bits, without AVX-512
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

/// What kernels are chosen by: an instruction set, and the features beyond it that may be used.
struct CpuChoice {
  const char* name = "portable";
  Isa isa = Isa::kPortable;
  CpuFeatures features;
};

/// What this machine can be used as, from the least to all it has: "portable", "avx2", "avx2_vnni",
/// "avx512", "avx512_vnni", "avx512_bf16", "amx", as far as they go. Each allows what those before
/// it do.
const std::vector<CpuChoice>& availableCpus();

/// Parses one of those names. Throws Error where it is unknown or this machine lacks it; the
/// message names what was asked for and what there is.
const CpuChoice& parseCpu(std::string_view name);

/// The one to use: the environment variable LAYERWISE_CPU where it is set, else the best available.
const CpuChoice& selectedCpu();
Isa selectedIsa();

}  // namespace layerwise::cpu
