#include "backends/shared/affine_weights.h"

#include <algorithm>
#include <cmath>

#include "backends/shared/node_info.h"

namespace layerwise {

AffineWeights scaleWeights(const Node& node) {
  AffineWeights packed;
  packed.shift = floatWeights(node.weights[0]);
  packed.scale = floatWeights(node.weights[1]);
  packed.power = floatWeights(node.weights[2]);
  std::size_t count =
      std::max({packed.shift.size(), packed.scale.size(), packed.power.size(), std::size_t{1}});
  if (packed.shift.empty()) packed.shift.assign(count, 0);
  if (packed.scale.empty()) packed.scale.assign(count, 1);
  return packed;
}

AffineWeights batchNormWeights(const BatchNorm& a, const Node& node) {
  AffineWeights packed;
  std::vector<float> gamma = floatWeights(node.weights[0]), beta = floatWeights(node.weights[1]);
  std::vector<float> mean = floatWeights(node.weights[2]), variance = floatWeights(node.weights[3]);
  for (std::size_t i = 0; i < mean.size(); ++i) {
    double scale = (gamma.empty() ? 1.0 : gamma[i]) / std::sqrt(variance[i] + a.epsilon);
    packed.scale.push_back(static_cast<float>(scale));
    packed.shift.push_back(static_cast<float>((beta.empty() ? 0.0 : beta[i]) - mean[i] * scale));
  }
  return packed;
}

Dims scaleStrides(const Scale& a, const Dims& dims) {
  Dims strides = Dims::filled(dims.rank(), 0);
  if (a.mode == ScaleMode::kChannel)
    strides[static_cast<int>(a.channelAxis < 0 ? a.channelAxis + dims.rank() : a.channelAxis)] = 1;
  if (a.mode == ScaleMode::kElementwise) {
    std::int64_t stride = 1;
    for (int axis = dims.rank() - 1; axis > 0; stride *= dims[axis--]) strides[axis] = stride;
  }
  return strides;
}

}  // namespace layerwise
