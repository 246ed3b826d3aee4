#include "backends/opencl/conv_weights.h"

namespace layerwise::opencl {

std::vector<float> weightMatrices(const Convolution& a, const Node& node,
                                  std::int64_t depthMultiple, std::int64_t columnMultiple) {
  std::vector<float> kernel = floatWeights(node.weights[0]);
  std::int64_t taps = a.kernel.volume(), outputs = a.outputs / a.groups;
  std::int64_t inputs = static_cast<std::int64_t>(kernel.size()) / (a.outputs * taps);
  std::int64_t depth = roundUp(taps * inputs, depthMultiple);
  std::int64_t columns = roundUp(outputs, columnMultiple);
  std::vector<float> matrices(static_cast<std::size_t>(a.groups * depth * columns), 0);
  for (std::int64_t g = 0; g < a.groups; ++g)
    for (std::int64_t o = 0; o < outputs; ++o)
      for (std::int64_t i = 0; i < inputs; ++i)
        for (std::int64_t t = 0; t < taps; ++t)
          matrices[static_cast<std::size_t>((g * depth + t * inputs + i) * columns + o)] =
              kernel[static_cast<std::size_t>(((g * outputs + o) * inputs + i) * taps + t)];
  return matrices;
}

std::vector<float> biasOf(const Node& node, std::int64_t outputs) {
  std::vector<float> bias = floatWeights(node.weights[1]);
  bias.resize(static_cast<std::size_t>(outputs), 0);
  return bias;
}

std::shared_ptr<const PackedWeights> uploadWeights(const Device& device, const Node& node,
                                                   const std::vector<float>& weights,
                                                   const std::vector<float>& bias) {
  std::string purpose = "the weights of " + node.name;
  return std::make_shared<PackedWeights>(
      PackedWeights{device.upload(weights, purpose), device.upload(bias, purpose)});
}

}  // namespace layerwise::opencl
