#include "engine/checksum.h"

#include <xxhash.h>

namespace layerwise {

std::uint64_t checksumAvx2(const void* bytes, std::size_t size);

std::uint64_t checksum(std::span<const std::byte> bytes) {
  static const bool avx2 = __builtin_cpu_supports("avx2");
  return avx2 ? checksumAvx2(bytes.data(), bytes.size()) : XXH3_64bits(bytes.data(), bytes.size());
}

}  // namespace layerwise
