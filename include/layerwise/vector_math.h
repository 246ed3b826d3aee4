#pragma once

#include <cstdint>
#include <span>

#include "layerwise/export.h"

namespace layerwise {

/// Functions of many numbers on the widest instruction set that the kernels use, in place where
/// nothing else is said: for plugins, and for what prepares and interprets tensors. A value's
/// result depends on it alone; relative errors are some 1e-7.

/// 1 / (1 + exp(-x))
LAYERWISE_API void applySigmoid(std::span<float> values);
/// The same of `rows` rows of `length` numbers, which begin `fromStep` and `toStep` numbers apart,
/// each at least `length`. The two may be one, or lie apart.
LAYERWISE_API void applySigmoid(const float* from, std::int64_t fromStep, float* to,
                                std::int64_t toStep, std::int64_t rows, std::int64_t length);
/// to[c * toStep + r] = from[r * fromStep + c] for r < rows, c < columns: a matrix into another
/// place, mirrored.
LAYERWISE_API void transpose(const float* from, std::int64_t fromStep, float* to,
                             std::int64_t toStep, std::int64_t rows, std::int64_t columns);
/// exp(x)
LAYERWISE_API void applyExp(std::span<float> values);

}  // namespace layerwise
