#include <fmt/format.h>

#include "layerwise/error.h"
#include "networks/blocks/detection_head.h"
#include "networks/blocks/image_network.h"
#include "networks/blocks/recognise.h"
#include "networks/blocks/yolo.h"

/// YOLOv8 detection (ultralytics/ultralytics, cfg/models/v8/yolov8.yaml) of any width and depth,
/// read off the keys and counts. Inputs, outputs and metadata: docs/networks.md.
namespace layerwise {
namespace {

using namespace blocks;

constexpr std::int64_t kStrides[] = {8, 16, 32};
constexpr std::int64_t kHead = 22;

std::string key(std::int64_t layer) {
  return fmt::format("model.{}", layer);
}

/// A convolution of stride 2 at `layer` and the C2f behind it.
Feature addStage(const YoloBuilder& build, const Feature& x, std::int64_t layer) {
  return build.c2f(build.conv(x, key(layer), {.kernel = 3, .stride = 2}), key(layer + 1), true);
}

/// Backbone and pyramid: what the head reads, finest first.
std::vector<Feature> addFeatures(const YoloBuilder& build, const Feature& images) {
  Feature x = build.conv(images, key(0), {.kernel = 3, .stride = 2});
  x = addStage(build, x, 1);
  const Feature p3 = addStage(build, x, 3);
  const Feature p4 = addStage(build, p3, 5);
  const Feature p5 = build.sppf(addStage(build, p4, 7), key(9));

  x = build.concat({build.upsample(p5, key(10)), p4}, key(11));
  const Feature n4 = build.c2f(x, key(12), false);
  x = build.concat({build.upsample(n4, key(13)), p3}, key(14));
  const Feature fine = build.c2f(x, key(15), false);
  x = build.concat({build.conv(fine, key(16), {.kernel = 3, .stride = 2}), n4}, key(17));
  const Feature middle = build.c2f(x, key(18), false);
  x = build.concat({build.conv(middle, key(19), {.kernel = 3, .stride = 2}), p5}, key(20));
  return {fine, middle, build.c2f(x, key(21), false)};
}

/// Two 3x3 and a 1x1: the boxes' or the classes' branch of one level.
Feature addBranch(const YoloBuilder& build, Feature x, const std::string& name) {
  for (const char* part : {".0", ".1"}) x = build.conv(x, name + part, {.kernel = 3});
  return build.convolution(x, name + ".2", {});
}

/// The fixed convolution of the head holds 0, 1, 2, ...; the plugin relies on it.
void checkBins(const WeightMap& weights, const std::string& name, std::int64_t bins) {
  const auto* values = static_cast<const float*>(weights.at(name, bins).values);
  for (std::int64_t i = 0; i < bins; ++i)
    if (values[i] != static_cast<float>(i))
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("[yolov8 {}] value {} is {}, {} expected", name, i, values[i], i));
}

void define(Network& network, const WeightMap& weights,
            const std::map<std::string, std::string>& values) {
  requireFamily(weights, "yolov8");
  const Options options("yolov8", values);
  const YoloBuilder build(network, weights);
  const std::int64_t stride = kStrides[2];
  const ImageSize size = options.imageSize(weights, {640, 640});
  requireMultiple(options, size, stride);
  Tensor& images = addImageInput(network, options, 3, size, {options.flag("dynamic") ? stride : 0});
  describeLetterbox(network, stride);

  std::vector<Tensor*> maps;
  std::int64_t classes = 0, bins = 0;
  const std::vector<Feature> features = addFeatures(build, {&images, 3});
  for (std::size_t i = 0; i < features.size(); ++i) {
    const Feature box = addBranch(build, features[i], fmt::format("{}.cv2.{}", key(kHead), i));
    const Feature score = addBranch(build, features[i], fmt::format("{}.cv3.{}", key(kHead), i));
    maps.insert(maps.end(), {box.tensor, score.tensor});
    bins = box.channels / 4;
    classes = score.channels;
  }
  checkBins(weights, key(kHead) + ".dfl.conv.weight", bins);
  describeClasses(network, options, "detect", classes);
  Fields fields;
  fields.set("classes", classes);
  fields.set("bins", bins);
  fields.set("strides", std::vector<std::int64_t>(std::begin(kStrides), std::end(kStrides)));
  addDetections(network, options, classes, maps, "yolov8_detect", "yolov8_decode", fields);
}

}  // namespace

void registerNetwork_yolov8(NetworkRegistry& registry) {
  std::vector<NetworkOption> options =
      imageOptions("", "input size N or HxW, multiples of 32 (default: the weights' own, or 640)");
  options.push_back(namesOption());
  for (NetworkOption& option : detectionOptions()) options.push_back(option);
  registry.add({"yolov8", "YOLOv8 detection", options, define});
}

}  // namespace layerwise
