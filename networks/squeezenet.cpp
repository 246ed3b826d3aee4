#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "layerwise/error.h"
#include "networks/blocks/image_network.h"
#include "networks/blocks/layer_builder.h"
#include "networks/blocks/recognise.h"

/// SqueezeNet 1.0 and 1.1 with torchvision's keys (torchvision/models/squeezenet.py; Iandola et al.
/// 2016).
namespace layerwise {
namespace {

using namespace blocks;

std::string key(std::int64_t index) {
  return fmt::format("features.{}", index);
}

/// 3x3, stride 2, as PyTorch's ceil_mode has it: a last window may reach over the edge.
Feature pool(const LayerBuilder& build, const Feature& x, const std::string& name) {
  auto& layer = build.network().addPooling(*x.tensor, PoolingType::kMax, {3, 3});
  layer->stride = {2, 2};
  layer->paddingMode = PaddingMode::kExplicitRoundUp;
  layer.setName(name);
  return {&layer.output(), x.channels};
}

/// A 1x1 convolution to few channels, and beside each other a 1x1 and a 3x3 to more.
Feature fire(const LayerBuilder& build, const Feature& x, const std::string& name) {
  const Feature few =
      build.relu(build.convolution(x, name + ".squeeze", {}), name + ".squeeze_activation");
  const Feature a =
      build.relu(build.convolution(few, name + ".expand1x1", {}), name + ".expand1x1_activation");
  const Feature b = build.relu(build.convolution(few, name + ".expand3x3", {.kernel = 3}),
                               name + ".expand3x3_activation");
  return build.concat({a, b}, name + ".concat");
}

/// The index behind the last fire module.
std::int64_t featureCount(const WeightMap& weights) {
  std::int64_t count = 0;
  for (const std::string& name : weights.keys())
    if (name.starts_with("features."))
      count = std::max(count, std::int64_t{std::atoi(name.c_str() + 9)} + 1);
  return count;
}

void define(Network& network, const WeightMap& weights,
            const std::map<std::string, std::string>& values) {
  requireFamily(weights, "squeezenet");
  const Options options("squeezenet", values);
  const LayerBuilder build(network, weights);
  const ImageSize size = options.imageSize(weights, {224, 224});
  const std::int64_t stem = weights.at("features.0.bias").count;
  // 1.0 begins with 7x7, 1.1 with 3x3.
  const std::int64_t kernel = weights.count("features.0.weight") == stem * 3 * 49 ? 7 : 3;
  network.metadata()["variant"] = kernel == 7 ? "squeezenet1_0" : "squeezenet1_1";

  Feature x{&addImageInput(network, options, 3, size), 3};
  x = build.convolution(x, key(0), {.kernel = kernel, .stride = 2, .padding = 0});
  x = build.relu(x, key(1));
  const std::int64_t count = featureCount(weights);
  for (std::int64_t i = 2; i < count; ++i)
    // What has no weights is a pooling.
    x = hasModule(weights, key(i) + ".") ? fire(build, x, key(i)) : pool(build, x, key(i));
  x = build.relu(build.convolution(x, "classifier.1", {}), "classifier.2");
  x = build.globalAverage(x, "classifier.3");
  network.markOutput(build.reshape(*x.tensor, {0, x.channels}, "flatten"), "scores");
  describeClasses(network, options, "classify", x.channels);
  describeResizeCrop(network, options, size, kImageNetResize);
}

}  // namespace

void registerNetwork_squeezenet(NetworkRegistry& registry) {
  std::vector<NetworkOption> options =
      imageOptions("", "input size N or HxW (default: the weights' own, or 224)");
  options.push_back(namesOption());
  for (NetworkOption& option : resizeCropOptions(kImageNetMean, kImageNetStd))
    options.push_back(option);
  registry.add({"squeezenet", "SqueezeNet 1.0 and 1.1", options, define});
}

}  // namespace layerwise
