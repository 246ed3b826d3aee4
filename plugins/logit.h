#pragma once

namespace layerwise {

/// A logit that no value whose sigmoid exceeds `probability` is at or below: the cheap first test
/// of a threshold, with slack for what sigmoid and logarithm round.
float logitBelow(float probability);

}  // namespace layerwise
