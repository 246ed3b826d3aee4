#include <fmt/format.h>

#include "layerwise/error.h"
#include "networks/blocks/image_network.h"
#include "networks/blocks/layer_builder.h"
#include "networks/blocks/recognise.h"

/// VGG with torchvision's keys (torchvision/models/vgg.py; Simonyan and Zisserman 2014): 3x3
/// convolutions with batch norm or without, five poolings, three fully connected layers.
namespace layerwise {
namespace {

using namespace blocks;

/// torchvision pools to 7x7 before the fully connected layers.
constexpr std::int64_t kMap = 7;
constexpr std::int64_t kPoolings = 5;

std::string key(std::int64_t index) {
  return fmt::format("features.{}", index);
}

/// The convolutions and poolings. In the list of modules a pooling, which has no weights, stands
/// where the index before the next convolution is not taken by its predecessor's norm and ReLU.
Feature addFeatures(const LayerBuilder& build, Feature x) {
  auto hasConv = [&](std::int64_t i) { return hasModule(build.weights(), key(i) + "."); };
  for (std::int64_t i = 0, poolings = 0; poolings < kPoolings;) {
    if (hasConv(i)) {
      const bool norm = hasModule(build.weights(), key(i + 1) + ".");
      x = build.convolution(x, key(i), {.kernel = 3}, norm ? key(i + 1) : "");
      i += norm ? 2 : 1;
      x = build.relu(x, key(i++));
    } else {
      x = build.pool(x, PoolingType::kMax, {.kernel = 2, .stride = 2, .padding = 0}, key(i++));
      ++poolings;
    }
  }
  return x;
}

void define(Network& network, const WeightMap& weights,
            const std::map<std::string, std::string>& values) {
  requireFamily(weights, "vgg");
  const Options options("vgg", values);
  const LayerBuilder build(network, weights);
  const ImageSize size = options.imageSize(weights, {224, 224});
  // Adaptive pooling is a plain one where the map is a multiple of 7x7.
  const ImageSize map{size.height >> kPoolings, size.width >> kPoolings};
  if (map.height < kMap || map.height % kMap != 0 || map.width != map.height)
    options.refuse("imgsz", fmt::format("{} gives a map of {}, a square multiple of {}x{} needed",
                                        toString(size), toString(map), kMap, kMap));

  Feature x = addFeatures(build, {&addImageInput(network, options, 3, size), 3});
  if (const std::int64_t window = map.height / kMap; window > 1)
    x = build.pool(x, PoolingType::kAverage, {.kernel = window, .stride = window, .padding = 0},
                   "avgpool");
  x = build.relu(build.linear(x, "classifier.0", x.channels * kMap * kMap), "classifier.1");
  x = build.relu(build.linear(x, "classifier.3", x.channels), "classifier.4");
  x = build.linear(x, "classifier.6", x.channels);
  network.markOutput(*x.tensor, "scores");
  describeClasses(network, options, "classify", x.channels);
  describeResizeCrop(network, options, size, kImageNetResize);
}

}  // namespace

void registerNetwork_vgg(NetworkRegistry& registry) {
  std::vector<NetworkOption> options =
      imageOptions("", "input size, a multiple of 224 (default: the weights' own, or 224)");
  options.push_back(namesOption());
  for (NetworkOption& option : resizeCropOptions(kImageNetMean, kImageNetStd))
    options.push_back(option);
  registry.add({"vgg", "VGG 11 to 19, with batch norm or without", options, define});
}

}  // namespace layerwise
