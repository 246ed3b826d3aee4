#include "backends/cpu/isa.h"

#include <cpuid.h>
#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "layerwise/error.h"

namespace layerwise::cpu {
namespace {

struct Cpuid {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
  Cpuid() = default;
  Cpuid(uint32_t leaf, uint32_t subleaf) { __cpuid_count(leaf, subleaf, eax, ebx, ecx, edx); }
};

bool bit(uint32_t word, int index) {
  return (word >> index) & 1;
}

// What the processor and the operating system say. Asked once: a virtual machine stops for some
// microseconds at each cpuid.
struct Processor {
  Cpuid basic, extended, more;  // zeros where there is no such leaf
  uint64_t saved = 0;           // XCR0: which register files the operating system saves

  Processor() : basic(1, 0) {
    constexpr uint32_t kExtended = 7;
    if (Cpuid(0, 0).eax >= kExtended) extended = Cpuid(kExtended, 0);
    if (extended.eax >= 1) more = Cpuid(kExtended, 1);
    constexpr int kSavesRegisters = 27;
    if (!bit(basic.ecx, kSavesRegisters)) return;
    uint32_t low = 0, high = 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    saved = (static_cast<uint64_t>(high) << 32) | low;
  }
};

const Processor& processor() {
  static const Processor known;
  return known;
}

constexpr uint64_t kYmmState = 0x6;
constexpr uint64_t kZmmState = 0xe6;
constexpr uint64_t kTileState = 0x60000;

std::vector<Isa> detectIsas() {
  std::vector<Isa> found{Isa::kPortable};
  const auto& [basic, extended, more, saved] = processor();
  const bool avx2 = bit(extended.ebx, 5) && bit(basic.ecx, 12) && bit(basic.ecx, 29) &&
                    (saved & kYmmState) == kYmmState;
  if (!avx2) return found;
  found.push_back(Isa::kAvx2);
  const bool avx512 = bit(extended.ebx, 16) && bit(extended.ebx, 17) && bit(extended.ebx, 30) &&
                      bit(extended.ebx, 31) && (saved & kZmmState) == kZmmState;
  if (avx512) found.push_back(Isa::kAvx512);
  return found;
}

// The tiles are 8 KiB of state a thread: Linux wants to be asked for them, once, by the process.
bool tilesPermitted() {
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

CpuFeatures detectFeatures() {
  CpuFeatures features;
  if (availableIsas().back() == Isa::kPortable) return features;
  const auto& [basic, extended, more, saved] = processor();
  features.avxVnni = bit(more.eax, 4);
  if (availableIsas().back() != Isa::kAvx512) return features;
  features.avx512Vnni = bit(extended.ecx, 11);
  features.avx512Bf16 = bit(more.eax, 5);
  // The kernels on tiles permute bytes, too, as all processors with tiles do.
  const bool permutesBytes = bit(extended.ecx, 1);
  if ((saved & kTileState) == kTileState && bit(extended.edx, 24) && permutesBytes) {
    features.amxTile = tilesPermitted();
    features.amxInt8 = features.amxTile && bit(extended.edx, 25);
    features.amxBf16 = features.amxTile && bit(extended.edx, 22);
  }
  return features;
}

}  // namespace

const char* isaName(Isa isa) {
  switch (isa) {
    case Isa::kAvx512:
      return "avx512";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kPortable:
      break;
  }
  return "portable";
}

const std::vector<Isa>& availableIsas() {
  static const std::vector<Isa> found = detectIsas();
  return found;
}

const CpuFeatures& cpuFeatures() {
  static const CpuFeatures found = detectFeatures();
  return found;
}

const std::vector<CpuChoice>& availableCpus() {
  static const std::vector<CpuChoice> found = [] {
    std::vector<CpuChoice> all;
    const CpuFeatures& has = cpuFeatures();
    CpuChoice next;
    const auto add = [&](const char* name) {
      next.name = name;
      all.push_back(next);
    };
    for (Isa isa : availableIsas()) {
      next.isa = isa;
      add(isaName(isa));
      if (isa == Isa::kAvx2 && has.avxVnni) {
        next.features.avxVnni = true;
        add("avx2_vnni");
      }
    }
    if (has.avx512Vnni) {
      next.features.avx512Vnni = true;
      add("avx512_vnni");
    }
    if (has.avx512Bf16) {
      next.features.avx512Bf16 = true;
      add("avx512_bf16");
    }
    if (has.amxTile && has.amxInt8 && has.amxBf16) {
      next.features = has;
      add("amx");
    }
    return all;
  }();
  return found;
}

const CpuChoice& parseCpu(std::string_view name) {
  std::string offered;
  for (const CpuChoice& cpu : availableCpus()) {
    if (name == cpu.name) return cpu;
    offered += offered.empty() ? "" : ", ";
    offered += cpu.name;
  }
  throw Error(ErrorCode::kUnsupported,
              fmt::format("[LAYERWISE_CPU] asks for {}, this machine has {}", name, offered));
}

const CpuChoice& selectedCpu() {
  const char* forced = std::getenv("LAYERWISE_CPU");
  return forced && *forced ? parseCpu(forced) : availableCpus().back();
}

Isa selectedIsa() {
  return selectedCpu().isa;
}

}  // namespace layerwise::cpu
