#pragma once

#include <memory>

#include "backends/opencl/device.h"
#include "engine/tactic.h"

namespace layerwise::opencl {

/// A copy between any two strided views of one shape, with conversion between float32, float16 and
/// bfloat16.
std::unique_ptr<Step> bindReformat(const Device& device, const BufferView& from,
                                   const BufferView& to);

}  // namespace layerwise::opencl
