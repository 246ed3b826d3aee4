#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "engine/graph.h"
#include "quantization/layer_moments.h"

namespace layerwise {

/// The weights of quantised convolutions (kernel, scales, bias), by the name of the node.
using RoundedWeights = std::map<std::string, std::vector<ConstantData>>;

/// The weights of one layer in 8 bits, rounded so that its outputs change least on what was seen of
/// its inputs: the error of a weight is made good by those that are not rounded yet (E. Frantar et
/// al., "GPTQ: Accurate Post-Training Quantization", ICLR 2023), and what remains of it on the
/// average by the bias (M. Nagel et al., "Data-Free Quantization Through Weight Equalization and
/// Bias Correction", ICCV 2019), as is what `inputErrors` says of the rounding of the inputs
/// (input_errors.h), where it is not empty.
/// `fitPairs`: so that no pair saturates 16 bits.
std::vector<ConstantData> roundWeights(const Node& layer, const LayerMoments& moments,
                                       bool fitPairs = false,
                                       std::span<const double> inputErrors = {});

/// Behind runQuantizationPasses(): gives the quantised convolutions of those layers their weights.
void useRoundedWeights(Graph& graph, const RoundedWeights& weights);

}  // namespace layerwise
