#pragma once

#include <vector>

#include "engine/graph.h"

namespace layerwise {

/// The weights of one layer in one direction, the biases added up.
struct LstmCell {
  std::vector<float> inputWeights, hiddenWeights, bias;
  std::int64_t width = 0;
};

/// The layer's blob of weights taken apart: for each layer its directions.
std::vector<LstmCell> lstmCells(const Lstm& a, const Node& node);

}  // namespace layerwise
