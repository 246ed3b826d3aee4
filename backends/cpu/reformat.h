#pragma once

#include <memory>

#include "engine/tactic.h"

namespace layerwise::cpu {

/// A copy between any two strided views of one shape, with conversion between float32, float16 and
/// bfloat16.
std::unique_ptr<Step> bindReformat(const BufferView& from, const BufferView& to, int workers);

}  // namespace layerwise::cpu
