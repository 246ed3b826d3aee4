#pragma once

#include "backends/shared/node_info.h"
#include "layers/quantized_convolution.h"

namespace layerwise {

/// The constants of the float32 steps of a quantised convolution.
inline FoldedQuantization foldedQuantization(const Node& node) {
  return foldQuantization(*node.as<QuantizedConvolution>(), floatWeights(node.weights[1]),
                          floatWeights(node.weights[2]));
}

}  // namespace layerwise
