#pragma once

#include <cstdint>

namespace layerwise::cpu {

/// Of a core, in bytes.
struct CacheSizes {
  int64_t l1 = 32 * 1024;
  int64_t l2 = 512 * 1024;
};

/// This machine's, as far as it tells.
CacheSizes cacheSizes();

}  // namespace layerwise::cpu
