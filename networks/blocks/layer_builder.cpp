#include "networks/blocks/layer_builder.h"

#include <fmt/format.h>

#include "layerwise/error.h"

namespace layerwise::blocks {

Feature LayerBuilder::named(Layer& layer, std::int64_t channels, const std::string& name) const {
  layer.setName(name);
  layer.output().setName(name);
  return {&layer.output(), channels};
}

Feature LayerBuilder::convolution(const Feature& x, const std::string& key, const Window& window,
                                  const std::string& norm) const {
  const bool normalised = !norm.empty() && weights_.contains(norm + ".weight");
  const std::int64_t perOutput = x.channels / window.groups * window.kernel * window.kernel;
  // The norm or the bias says the number of channels; the kernel's own count is then checked.
  std::int64_t outputs = weights_.count(normalised ? norm + ".weight" : key + ".bias");
  if (outputs < 0) outputs = weights_.count(key + ".weight") / perOutput;
  if (!norm.empty() && !normalised) weights_.at(key + ".bias", outputs);
  const Weights kernel = weights_.at(key + ".weight", outputs * perOutput);
  auto& layer = network_.addConvolution(*x.tensor, outputs, {window.kernel, window.kernel}, kernel,
                                        weights_.find(key + ".bias"));
  const std::int64_t padding = window.padding < 0 ? window.kernel / 2 : window.padding;
  layer->stride = {window.stride, window.stride};
  layer->setPadding({padding, padding});
  layer->groups = window.groups;
  const Feature y = named(layer, outputs, key);
  return normalised ? batchNorm(y, norm) : y;
}

Feature LayerBuilder::batchNorm(const Feature& x, const std::string& key) const {
  auto& layer = network_.addBatchNorm(*x.tensor, weights_.at(key + ".weight", x.channels),
                                      weights_.at(key + ".bias", x.channels),
                                      weights_.at(key + ".running_mean", x.channels),
                                      weights_.at(key + ".running_var", x.channels), epsilon_);
  return named(layer, x.channels, key);
}

Feature LayerBuilder::linear(const Feature& x, const std::string& key,
                             std::int64_t features) const {
  const Weights bias = weights_.find(key + ".bias");
  const std::int64_t outputs =
      bias.empty() ? weights_.count(key + ".weight") / features : bias.count;
  const Weights kernel = weights_.at(key + ".weight", outputs * features);
  return named(network_.addFullyConnected(*x.tensor, outputs, kernel, bias), outputs, key);
}

Feature LayerBuilder::activation(const Feature& x, ActivationType type,
                                 const std::string& name) const {
  return named(network_.addActivation(*x.tensor, type), x.channels, name);
}

Feature LayerBuilder::relu(const Feature& x, const std::string& name) const {
  return activation(x, ActivationType::kRelu, name);
}

Feature LayerBuilder::add(const Feature& a, const Feature& b, const std::string& name) const {
  if (a.channels != b.channels)
    throw Error(ErrorCode::kInvalidShape, fmt::format("[{}] {} channels cannot be added to {}",
                                                      name, a.channels, b.channels));
  return named(network_.addElementWise(*a.tensor, *b.tensor, ElementWiseOperation::kSum),
               a.channels, name);
}

Feature LayerBuilder::concat(const std::vector<Feature>& inputs, const std::string& name) const {
  std::vector<Tensor*> tensors;
  std::int64_t channels = 0;
  for (const Feature& input : inputs) {
    tensors.push_back(input.tensor);
    channels += input.channels;
  }
  return named(network_.addConcatenation(tensors), channels, name);
}

Feature LayerBuilder::pool(const Feature& x, PoolingType type, const Window& window,
                           const std::string& name) const {
  auto& layer = network_.addPooling(*x.tensor, type, {window.kernel, window.kernel});
  const std::int64_t padding = window.padding < 0 ? window.kernel / 2 : window.padding;
  layer->stride = {window.stride, window.stride};
  layer->setPadding({padding, padding});
  return named(layer, x.channels, name);
}

Feature LayerBuilder::globalAverage(const Feature& x, const std::string& name) const {
  return named(network_.addGlobalPooling(*x.tensor, PoolingType::kAverage), x.channels, name);
}

Tensor& LayerBuilder::reshape(Tensor& x, const Dims& dims, const std::string& name) const {
  auto& layer = network_.addShuffle(x);
  layer->setReshape(dims);
  return *named(layer, 0, name).tensor;
}

}  // namespace layerwise::blocks
