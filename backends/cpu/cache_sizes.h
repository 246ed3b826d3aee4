#pragma once

#include "backends/cpu/conv.h"

namespace layerwise::cpu {

/// This machine's, as far as it tells.
CacheSizes cacheSizes();

}  // namespace layerwise::cpu
