#include "backends/cpu/cache_sizes.h"

#include <unistd.h>

namespace layerwise::cpu {

CacheSizes cacheSizes() {
  static const CacheSizes sizes = [] {
    CacheSizes found;
    if (long l1 = sysconf(_SC_LEVEL1_DCACHE_SIZE); l1 > 0) found.l1 = l1;
    if (long l2 = sysconf(_SC_LEVEL2_CACHE_SIZE); l2 > 0) found.l2 = l2;
    return found;
  }();
  return sizes;
}

}  // namespace layerwise::cpu
