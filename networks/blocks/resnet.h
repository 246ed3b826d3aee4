#pragma once

#include <string>
#include <vector>

#include "networks/blocks/layer_builder.h"

namespace layerwise::blocks {

/// A ResNet without its classifier (torchvision/models/resnet.py; He et al. 2015): any width, any
/// number of blocks a stage, basic or bottleneck blocks with groups (ResNeXt), a 7x7 stem with a
/// pooling or the 3x3 stem of the CIFAR networks, projections as shortcuts or none (option A:
/// every second pixel, missing channels zero). All of it is read off the keys and counts.
struct ResNet {
  std::string prefix;                ///< of all keys: "" or "model."
  std::vector<std::int64_t> blocks;  ///< a stage
  bool bottleneck = false;
  std::int64_t stemKernel = 0;  ///< 7 or 3
  std::int64_t inputChannels = 0;
  std::int64_t groups = 1;
  std::int64_t width = 0;  ///< of the first block's 3x3 convolution

  /// Throws Error for a stem of another size or a first stage without blocks.
  ResNet(const WeightMap& weights, const std::string& prefix);

  Feature add(const LayerBuilder& build, Feature x) const;
  /// "resnet50", "wide_resnet50_2", "resnext50_32x4d", "resnet20 (CIFAR)", or the blocks.
  std::string variant() const;

 private:
  Feature addBlock(const LayerBuilder& build, const Feature& x, const std::string& key,
                   std::int64_t stride) const;
  Feature addShortcut(const LayerBuilder& build, const Feature& x, const std::string& key,
                      std::int64_t stride, std::int64_t channels) const;
};

}  // namespace layerwise::blocks
