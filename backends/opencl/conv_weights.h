#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backends/opencl/device.h"
#include "backends/shared/node_info.h"

namespace layerwise::opencl {

/// A convolution's weights on the device, and its bias, zeros where it has none.
struct PackedWeights {
  cl::Buffer weights, bias;
};

/// The kernel as a matrix a group: [group][depth][columns], the depth running over the taps and
/// then the group's input channels, both sizes padded with zeros to multiples.
std::vector<float> weightMatrices(const Convolution& a, const Node& node,
                                  std::int64_t depthMultiple, std::int64_t columnMultiple);

/// The bias as floats: `outputs` of them.
std::vector<float> biasOf(const Node& node, std::int64_t outputs);

std::shared_ptr<const PackedWeights> uploadWeights(const Device& device, const Node& node,
                                                   const std::vector<float>& weights,
                                                   const std::vector<float>& bias);

inline std::int64_t roundUp(std::int64_t value, std::int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

}  // namespace layerwise::opencl
