#pragma once

#include <vector>

#include "engine/graph.h"

namespace layerwise {

/// y = (x scale + shift) ^ power
struct AffineWeights {
  std::vector<float> scale, shift, power;  ///< power may be empty
};

AffineWeights scaleWeights(const Node& node);
AffineWeights batchNormWeights(const BatchNorm& a, const Node& node);

/// How an index of a tensor of this shape walks a Scale's weights, where there is more than one.
Dims scaleStrides(const Scale& a, const Dims& dims);

}  // namespace layerwise
