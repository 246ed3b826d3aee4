#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "layerwise/network.h"
#include "layerwise/weights.h"

namespace layerwise::blocks {

/// A feature map and its number of channels, which the counts of the next weights follow from.
struct Feature {
  Tensor* tensor = nullptr;
  std::int64_t channels = 0;
};

/// The values of a tensor that must be there and hold some: throws Error that names the key.
std::int64_t countOf(const WeightMap& weights, const std::string& key);

/// Whether any key begins so: a module is there, even where one of its tensors is missing.
bool hasModule(const WeightMap& weights, std::string_view prefix);
/// How many of the modules `prefix`0., `prefix`1., ... there are, up to the first gap.
std::int64_t moduleCount(const WeightMap& weights, const std::string& prefix);

/// A square window; padding -1: half the kernel, which keeps the size at stride 1.
struct Window {
  std::int64_t kernel = 1;
  std::int64_t stride = 1;
  std::int64_t padding = -1;
  std::int64_t groups = 1;
};

/// Adds layers that are named as their weights' keys. Output channels are read off the counts; a
/// count that does not fit is an Error with both numbers.
class LayerBuilder {
 public:
  LayerBuilder(Network& network, const WeightMap& weights, double epsilon = 1e-5)
      : network_(network), weights_(weights), epsilon_(epsilon) {}

  Network& network() const { return network_; }
  const WeightMap& weights() const { return weights_; }

  /// `key`.weight and `key`.bias; then the batch norm `norm`, unless it is empty or fused, which
  /// shows by its missing keys. Only a convolution before a norm may be without bias.
  Feature convolution(const Feature& x, const std::string& key, const Window& window,
                      const std::string& norm = {}) const;
  /// PyTorch's nn.Linear over all axes but the first, flattened: `features` values.
  Feature linear(const Feature& x, const std::string& key, std::int64_t features) const;

  Feature activation(const Feature& x, ActivationType type, const std::string& name) const;
  Feature relu(const Feature& x, const std::string& name) const;
  Feature add(const Feature& a, const Feature& b, const std::string& name) const;
  Feature concat(const std::vector<Feature>& inputs, const std::string& name) const;
  Feature pool(const Feature& x, PoolingType type, const Window& window,
               const std::string& name) const;
  /// N x C x H x W to N x C x 1 x 1.
  Feature globalAverage(const Feature& x, const std::string& name) const;
  /// N x ... to the dimensions given, of which 0 copies and -1 takes what remains.
  Tensor& reshape(Tensor& x, const Dims& dims, const std::string& name) const;

 private:
  Feature batchNorm(const Feature& x, const std::string& key) const;
  Feature named(Layer& layer, std::int64_t channels, const std::string& name) const;

  Network& network_;
  const WeightMap& weights_;
  double epsilon_;
};

}  // namespace layerwise::blocks
