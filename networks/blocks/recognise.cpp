#include "networks/blocks/recognise.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "layerwise/error.h"

namespace layerwise::blocks {
namespace {

/// What a key must look like: equal to `text`, or with `text` inside of it.
struct Mark {
  std::string_view text;
  bool inside = false;
};
Mark key(std::string_view text) {
  return {text, false};
}
Mark part(std::string_view text) {
  return {text, true};
}

/// Weights that have keys like all of `has` and none like `lacks`.
struct Rule {
  std::string_view family;
  std::string_view description;
  std::vector<Mark> has;
  std::vector<Mark> lacks = {};
};

/// The first rule that fits decides, so the particular come before the general.
const std::vector<Rule>& rules() {
  static const std::vector<Rule> kRules = {
      // YOLOv5 and its relatives: `model.N.` is the flat list of a YAML file's layers.
      {"", "YOLOv5 before v6 (Focus stem)", {key("model.0.conv.conv.weight")}},
      {"", "YOLOv10", {part(".one2one_cv2.")}},
      {"",
       "an oriented-box or pose YOLO (a cv4 branch beside the box head)",
       {part(".cv4.0.0."), part(".dfl.conv.weight")}},
      {"", "YOLOv8 or YOLO11 segmentation", {part(".proto."), part(".dfl.conv.weight")}},
      {"", "YOLOv9", {key("model.2.cv2.0.cv1.conv.weight"), part(".dfl.conv.weight")}},
      {"", "YOLOv9", {part(".dfl"), part(".cv2.0.cv1.conv1.conv.weight")}},
      {"", "YOLO11", {part(".attn.qkv."), part(".dfl.conv.weight")}},
      {"",
       "YOLOv5u (YOLOv5 with YOLOv8's anchor-free head)",
       {key("model.24.dfl.conv.weight"), key("model.2.cv3.conv.weight")}},
      {"yolov8", "YOLOv8", {key("model.22.dfl.conv.weight"), key("model.2.m.0.cv1.conv.weight")}},
      {"", "an anchor-free YOLO that is not YOLOv8", {part(".dfl.conv.weight")}},
      {"",
       "YOLOv8 classification",
       {key("model.9.linear.weight")},
       {key("model.2.cv3.conv.weight")}},
      {"", "YOLO11 classification", {key("model.10.linear.weight")}},
      {"", "YOLOv7", {part(".rbr_dense.")}},
      {"", "YOLOv7", {part(".im.0.implicit")}},
      {"", "YOLOR or YOLOv7", {part(".implicit")}},
      {"", "YOLOv7", {key("model.105.m.0.weight")}},
      {"", "YOLOv7-tiny", {key("model.77.m.0.weight")}},
      {"",
       "YOLOv3",
       {key("model.28.m.0.weight"), key("model.2.cv1.conv.weight")},
       {key("model.2.cv3.conv.weight")}},
      {"", "YOLOv3-tiny", {key("model.20.m.0.weight"), key("model.2.conv.weight")}},
      {"", "YOLOv3 or YOLOv4 in Darknet's layer list", {part("module_list.")}},
      {"", "YOLOX", {key("backbone.backbone.stem.conv.conv.weight")}},
      {"", "YOLOv5 with transformer blocks (C3TR)", {part(".m.tr.0.")}},
      {"", "YOLOv5 with ghost convolutions", {part(".m.0.conv.0.cv1.conv.weight")}},
      {"",
       "YOLOv5 with ghost convolutions",
       {key("model.1.cv1.conv.weight"), key("model.1.cv2.conv.weight")}},
      {"",
       "YOLOv5 with BottleneckCSP blocks (v3 or older)",
       {part(".cv4.conv.weight"), key("model.0.conv.weight")}},
      {"",
       "YOLOv5 with an extra P2 head",
       {key("model.31.m.0.weight"), key("model.31.m.3.weight"), key("model.2.cv3.conv.weight")}},
      {"yolov5",
       "YOLOv5 classification",
       {key("model.0.conv.weight"), part(".linear.weight"), key("model.2.cv3.conv.weight")}},
      {"yolov5", "YOLOv5", {key("model.0.conv.weight"), key("model.2.cv3.conv.weight")}},
      // Lanes, faces, plates.
      {"lane",
       "Ultra-Fast-Lane-Detection",
       {part("conv1.weight"), key("cls.0.weight"), key("pool.weight")}},
      {"", "CLRNet or another lane network", {part("lane_head")}},
      {"", "RetinaFace", {part("LandmarkHead.0.")}},
      {"", "LPRNet", {key("backbone.0.weight"), key("container.0.weight")}},
      // Classifiers.
      {"", "a squeeze-and-excitation ResNet", {key("conv1.weight"), part("layer1.0.se")}},
      {"", "ResNeSt or a ResNet with a deep stem", {part("conv1.0.weight"), part("layer1.0.")}},
      {"",
       "a pre-activation ResNet",
       {key("conv1.weight"), key("layer1.0.conv1.weight")},
       {key("bn1.weight")}},
      {"resnet", "ResNet", {key("conv1.weight"), key("layer1.0.conv1.weight")}},
      {"lenet", "LeNet-5", {key("conv1.weight"), key("conv2.weight"), key("fc3.weight")}},
      {"squeezenet", "SqueezeNet", {part("squeeze.weight"), part("expand3x3.weight")}},
      {"", "DenseNet", {part("features.denseblock1.")}},
      {"", "Inception v3", {part("Conv2d_1a_3x3.")}},
      {"", "GoogLeNet", {part("inception3a.")}},
      {"", "ShuffleNet v2", {part("stage2.0.branch2.")}},
      {"", "MNASNet", {key("layers.0.weight"), key("layers.8.0.layers.0.weight")}},
      {"",
       "MobileNetV3",
       {key("features.0.0.weight"), part(".block.1.0.weight"), key("classifier.3.weight")}},
      {"", "EfficientNet", {key("features.0.0.weight"), part(".block.")}},
      {"", "ConvNeXt", {part(".layer_scale")}},
      {"", "RegNet", {key("stem.0.weight"), part("trunk_output.")}},
      {"", "a vision transformer", {part("encoder.layers.encoder_layer_0.")}},
      {"", "a vision transformer", {key("cls_token")}},
      {"", "a Swin transformer", {part("relative_position_bias_table")}},
      {"mobilenetv2",
       "MobileNetV2",
       {key("features.0.0.weight"), key("features.1.conv.0.0.weight")}},
      {"",
       "AlexNet",
       {key("features.0.weight"), key("features.3.weight"), key("features.6.weight"),
        key("features.8.weight"), key("features.10.weight")},
       {part("features.2."), part("features.5.")}},
      {"vgg",
       "VGG",
       {key("features.0.weight"), key("classifier.0.weight"), key("classifier.6.weight")}},
  };
  return kRules;
}

/// The first key that the mark fits, or nullptr.
const std::string* find(const WeightMap& weights, const Mark& mark) {
  const std::vector<std::string>& keys = weights.keys();
  auto found = std::find_if(keys.begin(), keys.end(), [&](const std::string& name) {
    return mark.inside ? name.find(mark.text) != name.npos : name == mark.text;
  });
  return found == keys.end() ? nullptr : &*found;
}

bool fits(const Rule& rule, const WeightMap& weights) {
  auto there = [&](const Mark& mark) { return find(weights, mark) != nullptr; };
  return std::all_of(rule.has.begin(), rule.has.end(), there) &&
         std::none_of(rule.lacks.begin(), rule.lacks.end(), there);
}

}  // namespace

Recognition recognise(const WeightMap& weights) {
  for (const Rule& rule : rules())
    if (fits(rule, weights))
      return {std::string(rule.family), std::string(rule.description),
              *find(weights, rule.has.front())};
  return {};
}

void requireFamily(const WeightMap& weights, std::string_view family) {
  const Recognition known = recognise(weights);
  if (known.description.empty())
    throw Error(ErrorCode::kUnsupported,
                fmt::format("[{}] the weights are those of no network known here: {} tensors, the "
                            "first is '{}'",
                            family, weights.keys().size(),
                            weights.keys().empty() ? "" : weights.keys().front()));
  if (known.family == family) return;
  const std::string advice =
      known.family.empty() ? "" : fmt::format(": build it as '{}'", known.family);
  throw Error(ErrorCode::kUnsupported,
              fmt::format("[{}] the weights are those of {} (key '{}'), not of this network{}",
                          family, known.description, known.evidence, advice));
}

}  // namespace layerwise::blocks
