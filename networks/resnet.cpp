#include "networks/blocks/resnet.h"
#include "layerwise/error.h"
#include "networks/blocks/image_network.h"
#include "networks/blocks/recognise.h"

/// ResNet, wide ResNet and ResNeXt with torchvision's keys (torchvision/models/resnet.py), and the
/// CIFAR family of He et al. 2015, section 4.2 (20 to 110 layers). Preprocessing is torchvision's;
/// where it is kept in the metadata: docs/networks.md.
namespace layerwise {
namespace {

using namespace blocks;

void define(Network& network, const WeightMap& weights,
            const std::map<std::string, std::string>& values) {
  requireFamily(weights, "resnet");
  const Options options("resnet", values);
  const ResNet resnet(weights, "");
  const LayerBuilder build(network, weights);
  // The 3x3 stem belongs to the networks for 32x32 pictures.
  const bool small = resnet.stemKernel == 3;
  const ImageSize size =
      options.imageSize(weights, small ? ImageSize{32, 32} : ImageSize{224, 224});
  Tensor& images = addImageInput(network, options, resnet.inputChannels, size);
  network.metadata()["variant"] = resnet.variant();

  Feature x = resnet.add(build, {&images, resnet.inputChannels});
  x = build.globalAverage(x, "avgpool");
  x = build.linear(x, hasModule(weights, "linear.") ? "linear" : "fc", x.channels);
  network.markOutput(*x.tensor, "scores");
  describeClasses(network, options, "classify", x.channels);
  describeResizeCrop(network, options, size, small ? size.height : kImageNetResize);
}

}  // namespace

void registerNetwork_resnet(NetworkRegistry& registry) {
  std::vector<NetworkOption> options = imageOptions(
      "", "input size N or HxW (default: the weights' own, or 224, with a 3x3 stem 32)");
  options.push_back(namesOption());
  for (NetworkOption& option : resizeCropOptions(kImageNetMean, kImageNetStd))
    options.push_back(option);
  registry.add({"resnet", "ResNet, wide ResNet, ResNeXt; the CIFAR family", options, define});
}

}  // namespace layerwise
