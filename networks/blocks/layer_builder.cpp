#include "networks/blocks/layer_builder.h"

#include <fmt/format.h>

#include <algorithm>

#include "layerwise/error.h"

namespace layerwise::blocks {

std::int64_t countOf(const WeightMap& weights, const std::string& key) {
  const std::int64_t count = weights.at(key).count;
  if (count < 1)
    throw Error(ErrorCode::kInvalidShape, fmt::format("[weights {}] hold no values", key));
  return count;
}

bool hasModule(const WeightMap& weights, std::string_view prefix) {
  const std::vector<std::string>& keys = weights.keys();
  return std::any_of(keys.begin(), keys.end(),
                     [&](const std::string& key) { return key.starts_with(prefix); });
}

std::int64_t moduleCount(const WeightMap& weights, const std::string& prefix) {
  std::int64_t count = 0;
  while (hasModule(weights, fmt::format("{}{}.", prefix, count))) ++count;
  return count;
}

Feature LayerBuilder::named(Layer& layer, std::int64_t channels, const std::string& name) const {
  layer.setName(name);
  layer.output().setName(name);
  return {&layer.output(), channels};
}

Feature LayerBuilder::convolution(const Feature& x, const std::string& key, const Window& window,
                                  const std::string& norm) const {
  const bool normalised = !norm.empty() && hasModule(weights_, norm + ".");
  // The norm or the bias says the number of channels; the kernel's own count is then checked.
  const std::int64_t outputs = countOf(weights_, normalised ? norm + ".weight" : key + ".bias");
  const Weights kernel = weights_.at(
      key + ".weight", outputs * (x.channels / window.groups) * window.kernel * window.kernel);
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
  const std::int64_t outputs = countOf(weights_, key + ".bias");
  const Weights kernel = weights_.at(key + ".weight", outputs * features);
  return named(network_.addFullyConnected(*x.tensor, outputs, kernel, weights_.at(key + ".bias")),
               outputs, key);
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
