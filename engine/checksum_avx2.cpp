// Compiled for AVX2: xxHash's functions have internal linkage here.
#include <xxhash.h>

#include <cstddef>
#include <cstdint>

namespace layerwise {

std::uint64_t checksumAvx2(const void* bytes, std::size_t size);
std::uint64_t checksumAvx2(const void* bytes, std::size_t size) {
  return XXH3_64bits(bytes, size);
}

}  // namespace layerwise
