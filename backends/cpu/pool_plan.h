#pragma once

#include "backends/cpu/tensor_ops.h"
#include "layerwise/dims.h"
#include "layerwise/layers.h"

namespace layerwise::cpu {

/// Whether the kernels of tensor_ops.h pool an input of this shape so.
bool canPool(const Pooling& pooling, const Dims& in);
/// The plan for it, without the views.
PoolPlan poolPlanOf(const Pooling& pooling, const Dims& in);

}  // namespace layerwise::cpu
