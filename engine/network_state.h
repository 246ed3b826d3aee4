#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "layerwise/network.h"

namespace layerwise {

/// The inside of a Network. Lives at one address while the Network is moved, so that tensors can
/// point to it.
struct NetworkState {
  std::string name = "network";
  std::vector<std::unique_ptr<Tensor>> inputs;
  std::vector<std::unique_ptr<Layer>> layers;
  std::vector<std::pair<Tensor*, std::string>> outputs;
  std::map<std::string, std::string> metadata;
  std::deque<std::vector<float>> keptFloats;
  std::deque<std::vector<std::int64_t>> keptIntegers;

  /// The type and shape of a tensor, -1 where it follows an open input dimension.
  TensorInfo infoOf(const Tensor& tensor) const;
  DataType inputType(const Tensor& input) const { return input.inputType_; }
  const Dims& inputDims(const Tensor& input) const { return input.inputDims_; }
  const std::vector<double>& inputDefault(const Tensor& input) const { return input.default_; }
};

}  // namespace layerwise
