#pragma once

namespace layerwise {

/// 1 / (1 + exp(-x)) in single precision.
float sigmoid(float x);

/// A logit that no value whose sigmoid exceeds `probability` is at or below: the cheap first test
/// of a threshold, with slack for what sigmoid and logarithm round.
float logitBelow(float probability);

}  // namespace layerwise
