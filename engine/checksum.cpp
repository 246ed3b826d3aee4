#include "engine/checksum.h"

#include <xxhash.h>

namespace layerwise {

std::uint64_t checksumAvx2(const void* bytes, std::size_t size);
std::uint64_t checksumAvx512(const void* bytes, std::size_t size);

std::uint64_t checksum(std::span<const std::byte> bytes) {
  static const auto best = __builtin_cpu_supports("avx512f") ? &checksumAvx512
                           : __builtin_cpu_supports("avx2")  ? &checksumAvx2
                                                             : &XXH3_64bits;
  return best(bytes.data(), bytes.size());
}

}  // namespace layerwise
