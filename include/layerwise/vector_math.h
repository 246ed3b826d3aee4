#pragma once

#include <span>

#include "layerwise/export.h"

namespace layerwise {

/// Functions of many numbers on the widest instruction set that the kernels use, in place: for
/// plugins, and for what prepares and interprets tensors. A value's result depends on it alone;
/// relative errors are some 1e-7.

/// 1 / (1 + exp(-x))
LAYERWISE_API void applySigmoid(std::span<float> values);
/// exp(x)
LAYERWISE_API void applyExp(std::span<float> values);

}  // namespace layerwise
