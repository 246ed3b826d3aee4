#include <fmt/format.h>

#include "layerwise/error.h"
#include "networks/blocks/image_network.h"
#include "networks/blocks/layer_builder.h"
#include "networks/blocks/recognise.h"

/// MobileNetV2 with torchvision's keys (torchvision/models/mobilenetv2.py; Sandler et al. 2018), of
/// any width. Preprocessing is torchvision's; where it is kept in the metadata: docs/networks.md.
namespace layerwise {
namespace {

using namespace blocks;

/// The blocks that halve the map; a stride does not show in the counts.
bool halves(std::int64_t block) {
  return block == 2 || block == 4 || block == 7 || block == 14;
}

Feature relu6(const LayerBuilder& build, const Feature& x, const std::string& name) {
  auto& layer = build.network().addActivation(*x.tensor, ActivationType::kClip, 0, 6);
  layer.setName(name);
  return {&layer.output(), x.channels};
}

/// Convolution, batch norm, ReLU6 under `key`.0 and `key`.1.
Feature convNormRelu(const LayerBuilder& build, const Feature& x, const std::string& key,
                     const Window& window) {
  return relu6(build, build.convolution(x, key + ".0", window, key + ".1"), key + ".2");
}

Feature invertedResidual(const LayerBuilder& build, const Feature& x, std::int64_t block) {
  const std::string key = fmt::format("features.{}.conv", block);
  const std::int64_t stride = halves(block) ? 2 : 1;
  Feature y = x;
  int part = 0;
  // The first block has no expansion: its depthwise convolution comes first.
  if (hasModule(build.weights(), key + ".1.0."))
    y = convNormRelu(build, y, fmt::format("{}.{}", key, part++), {});
  y = convNormRelu(build, y, fmt::format("{}.{}", key, part),
                   {.kernel = 3, .stride = stride, .groups = y.channels});
  y = build.convolution(y, fmt::format("{}.{}", key, part + 1), {},
                        fmt::format("{}.{}", key, part + 2));
  return stride == 1 && y.channels == x.channels
             ? build.add(x, y, fmt::format("features.{}.add", block))
             : y;
}

void define(Network& network, const WeightMap& weights,
            const std::map<std::string, std::string>& values) {
  requireFamily(weights, "mobilenetv2");
  const Options options("mobilenetv2", values);
  const LayerBuilder build(network, weights);
  const ImageSize size = options.imageSize(weights, {224, 224});
  Feature x{&addImageInput(network, options, 3, size), 3};

  x = convNormRelu(build, x, "features.0", {.kernel = 3, .stride = 2});
  std::int64_t block = 1;
  for (; hasModule(weights, fmt::format("features.{}.conv.", block)); ++block)
    x = invertedResidual(build, x, block);
  x = convNormRelu(build, x, fmt::format("features.{}", block), {});
  x = build.globalAverage(x, "avgpool");
  x = build.linear(x, "classifier.1", x.channels);
  network.markOutput(*x.tensor, "scores");
  describeClasses(network, options, "classify", x.channels);
  describeResizeCrop(network, options, size, kImageNetResize);
}

}  // namespace

void registerNetwork_mobilenetv2(NetworkRegistry& registry) {
  std::vector<NetworkOption> options =
      imageOptions("", "input size N or HxW (default: the weights' own, or 224)");
  options.push_back(namesOption());
  for (NetworkOption& option : resizeCropOptions(kImageNetMean, kImageNetStd))
    options.push_back(option);
  registry.add({"mobilenetv2", "MobileNetV2 of any width", options, define});
}

}  // namespace layerwise
