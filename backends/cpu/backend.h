#pragma once

#include "engine/backend.h"

namespace layerwise::cpu {

const Backend& backend();

}  // namespace layerwise::cpu
