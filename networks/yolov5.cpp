#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <sstream>

#include "layerwise/error.h"
#include "networks/blocks/detection_head.h"
#include "networks/blocks/image_network.h"
#include "networks/blocks/recognise.h"
#include "networks/blocks/yolo.h"

/// YOLOv5 v6 and v7 (ultralytics/yolov5, models/yolov5*.yaml, models/yolo.py): detection,
/// segmentation and classification of any width, depth and number of pyramid levels, all read off
/// the keys and counts. Inputs, outputs and metadata: docs/networks.md.
namespace layerwise {
namespace {

using namespace blocks;

constexpr std::int64_t kStemKernel = 6;
// P8: a stride of 256.
constexpr std::int64_t kMostLevels = 6;

std::string key(std::int64_t layer) {
  return fmt::format("model.{}", layer);
}

/// What the keys say of the whole: layers, head, task.
struct Layout {
  enum class Task { kDetect, kSegment, kClassify };
  Task task = Task::kDetect;
  std::int64_t head = 0;    ///< the last layer
  std::int64_t levels = 0;  ///< of the pyramid; 3: P3 to P5

  std::int64_t stages() const { return levels + 1; }
  std::int64_t maxStride() const { return std::int64_t{4} << levels; }

  explicit Layout(const WeightMap& weights);
};

std::int64_t lastLayer(const WeightMap& weights) {
  std::int64_t last = -1;
  for (const std::string& name : weights.keys())
    if (name.starts_with("model."))
      last = std::max(last, std::int64_t{std::atoi(name.c_str() + 6)});
  return last;
}

Layout::Layout(const WeightMap& weights) : head(lastLayer(weights)) {
  auto refuse = [](const std::string& why) {
    return Error(ErrorCode::kUnsupported, "[yolov5] " + why);
  };
  if (hasModule(weights, key(head) + ".linear.")) {
    task = Task::kClassify;
    // The backbone alternates convolutions of stride 2 and C3 blocks after the stem.
    if (head < 5 || head > 2 * kMostLevels + 3 || head % 2 == 0)
      throw refuse(fmt::format("a classification head at layer {}: an odd one needed", head));
    levels = (head - 1) / 2 - 1;
    return;
  }
  if (hasModule(weights, key(head) + ".proto.")) task = Task::kSegment;
  // Each level adds 2 layers to the backbone, 4 on the way down and 3 on the way up.
  if (head < 24 || head > 24 + 9 * (kMostLevels - 3) || (head - 24) % 9 != 0)
    throw refuse(fmt::format("a head at layer {}: 24 (P5) or 33 (P6) needed", head));
  levels = 3 + (head - 24) / 9;
  for (std::int64_t i = 0; i <= levels; ++i)
    if (hasModule(weights, fmt::format("{}.m.{}.", key(head), i)) != (i < levels))
      throw refuse(
          fmt::format("the head at layer {} has not the {} maps of its pyramid", head, levels));
}

// ---- The variant that the user names
// --------------------------------------------------------------

struct Variant {
  std::string_view letter;
  double depth, width;
};
constexpr Variant kVariants[] = {{"n", 1.0 / 3, 0.25},
                                 {"s", 1.0 / 3, 0.5},
                                 {"m", 2.0 / 3, 0.75},
                                 {"l", 1, 1},
                                 {"x", 4.0 / 3, 1.25}};

std::int64_t channelsOf(double width, double channels) {
  return static_cast<std::int64_t>(std::ceil(channels * width / 8)) * 8;
}

/// Python's round(): half to even.
std::int64_t repeatsOf(double depth, std::int64_t repeats) {
  return std::max<std::int64_t>(std::llrint(static_cast<double>(repeats) * depth), 1);
}

/// The C3 blocks: layer and the repeats that a depth of 1 gives.
std::vector<std::pair<std::int64_t, std::int64_t>> c3Blocks(const Layout& layout) {
  std::vector<std::pair<std::int64_t, std::int64_t>> blocks;
  for (std::int64_t stage = 1; stage <= layout.stages(); ++stage)
    blocks.emplace_back(2 * stage, stage == 2 ? 6 : stage == 3 ? 9 : 3);
  if (layout.task == Layout::Task::kClassify) return blocks;
  const std::int64_t sppf = 2 * layout.stages() + 1;
  for (std::int64_t i = 1; i < layout.levels; ++i) blocks.emplace_back(sppf + 4 * i, 3);
  const std::int64_t turn = sppf + 4 * (layout.levels - 1);
  for (std::int64_t i = 1; i < layout.levels; ++i) blocks.emplace_back(turn + 3 * i, 3);
  return blocks;
}

/// The first convolution's outputs.
std::int64_t stemChannels(const WeightMap& weights) {
  const char* fused = "model.0.conv.bias";
  return countOf(weights, weights.contains(fused) ? fused : "model.0.bn.weight");
}

/// Why the weights are not of that depth and width; nothing where they are.
std::optional<std::string> contradiction(const YoloBuilder& build, const Layout& layout,
                                         double depth, double width) {
  const std::int64_t stem = stemChannels(build.weights());
  if (std::int64_t meant = channelsOf(width, 64); meant != stem)
    return fmt::format("width {:.4g} means {} channels in the first layer, the weights have {}",
                       width, meant, stem);
  for (auto [layer, repeats] : c3Blocks(layout))
    if (std::int64_t meant = repeatsOf(depth, repeats), found = build.repeats(key(layer));
        meant != found)
      return fmt::format("depth {:.4g} means {} bottlenecks in layer {}, the weights have {}",
                         depth, meant, layer, found);
  return std::nullopt;
}

/// Checks the option "variant" against the weights and says the variant's name in the metadata.
void describeVariant(const YoloBuilder& build, const Layout& layout, const Options& options) {
  const bool classify = layout.task == Layout::Task::kClassify;
  std::string suffix = layout.levels == 3 ? "" : std::to_string(layout.levels + 2);
  std::string found = "custom";
  for (const Variant& variant : kVariants)
    if (!contradiction(build, layout, variant.depth, variant.width))
      found = std::string(variant.letter) + suffix;
  build.network().metadata()["variant"] = found;

  std::string wish = options.text("variant");
  if (wish.empty()) return;
  std::replace(wish.begin(), wish.end(), ',', ' ');
  std::istringstream words(wish);
  std::string letter, rest;
  double depth = 0, width = 0;
  words >> letter;
  if (letter == "c") {
    if (!(words >> depth >> width) || depth <= 0 || width <= 0)
      options.refuse("variant", fmt::format("'{}': c needs a depth and a width above 0", wish));
  } else {
    const bool six = letter.size() == 2 && letter[1] == '6';
    auto variant = std::find_if(std::begin(kVariants), std::end(kVariants), [&](const Variant& v) {
      return letter.size() == (six ? 2u : 1u) && letter[0] == v.letter[0];
    });
    if (variant == std::end(kVariants))
      options.refuse(
          "variant",
          fmt::format("'{}' is none of n, s, m, l, x, n6, s6, m6, l6, x6, c DEPTH WIDTH", wish));
    if (std::int64_t levels = six ? 4 : 3; levels != layout.levels && !classify)
      options.refuse("variant", fmt::format("'{}' has {} pyramid levels, the weights have {}",
                                            letter, levels, layout.levels));
    depth = variant->depth, width = variant->width;
  }
  if (words >> rest) options.refuse("variant", fmt::format("'{}': '{}' is too much", wish, rest));
  if (auto why = contradiction(build, layout, depth, width))
    options.refuse("variant", fmt::format("'{}': {} (they are those of '{}')", wish, *why, found));
}

// ---- The layers
// -------------------------------------------------------------------------------------

/// The stem, and a convolution of stride 2 and a C3 a stage: the C3s' results.
std::vector<Feature> addBackbone(const YoloBuilder& build, Feature x, std::int64_t stages) {
  x = build.conv(x, key(0), {.kernel = kStemKernel, .stride = 2, .padding = 2});
  std::vector<Feature> results;
  for (std::int64_t stage = 1; stage <= stages; ++stage) {
    x = build.conv(x, key(2 * stage - 1), {.kernel = 3, .stride = 2});
    x = build.c3(x, key(2 * stage), true);
    results.push_back(x);
  }
  return results;
}

/// SPPF and the pyramid, down and up again: what the head reads, finest first.
std::vector<Feature> addNeck(const YoloBuilder& build, const std::vector<Feature>& backbone) {
  auto layer = 2 * static_cast<std::int64_t>(backbone.size()) + 1;
  Feature x = build.sppf(backbone.back(), key(layer++));
  std::vector<Feature> laterals;
  for (std::size_t level = backbone.size() - 2; level > 0; --level) {
    laterals.push_back(x = build.conv(x, key(layer++)));
    x = build.upsample(x, key(layer++));
    x = build.concat({x, backbone[level]}, key(layer++));
    x = build.c3(x, key(layer++), false);
  }
  std::vector<Feature> heads{x};
  for (; !laterals.empty(); laterals.pop_back()) {
    x = build.conv(x, key(layer++), {.kernel = 3, .stride = 2});
    x = build.concat({x, laterals.back()}, key(layer++));
    x = build.c3(x, key(layer++), false);
    heads.push_back(x);
  }
  return heads;
}

/// The anchors in pixels, levels x count x 2, from the key in grid units, or from the one in pixels
/// that exporters of TensorRT's time wrote; "strides", where it is there, is checked.
std::vector<double> readAnchors(const WeightMap& weights, const std::string& head,
                                const std::vector<std::int64_t>& strides) {
  const bool inPixels =
      !weights.contains(head + ".anchors") && weights.contains(head + ".anchor_grid");
  const Weights stored = weights.at(head + (inPixels ? ".anchor_grid" : ".anchors"));
  if (!inPixels) weights.find(head + ".anchor_grid");
  const auto levels = static_cast<std::int64_t>(strides.size());
  if (stored.count < 1 || stored.count % (2 * levels) != 0)
    throw Error(ErrorCode::kInvalidShape,
                fmt::format("[yolov5 {}.anchors] {} values are no pairs for {} levels", head,
                            stored.count, levels));
  for (const char* name : {".strides", ".stride"}) {
    const Weights said = weights.find(head + name);
    const auto* values = static_cast<const float*>(said.values);
    if (!said.empty() && !std::equal(values, values + said.count, strides.begin(), strides.end()))
      throw Error(
          ErrorCode::kInvalidShape,
          fmt::format("[yolov5 {}{}] says {}, the layers give {}", head, name,
                      fmt::join(values, values + said.count, ", "), fmt::join(strides, ", ")));
  }
  const auto* values = static_cast<const float*>(stored.values);
  std::vector<double> pixels;
  for (std::int64_t i = 0; i < stored.count; ++i) {
    // The original multiplies in single precision.
    const auto stride =
        static_cast<float>(strides[static_cast<std::size_t>(i / (stored.count / levels))]);
    pixels.push_back(inPixels ? values[i] : values[i] * stride);
  }
  return pixels;
}

void addHead(const YoloBuilder& build, const Layout& layout, const Options& options,
             const std::vector<Feature>& features) {
  const std::string head = key(layout.head);
  std::vector<std::int64_t> strides;
  for (std::int64_t i = 0; i < layout.levels; ++i) strides.push_back(std::int64_t{8} << i);
  std::vector<double> anchors = readAnchors(build.weights(), head, strides);
  const auto perCell = static_cast<std::int64_t>(anchors.size()) / (2 * layout.levels);

  std::int64_t masks = 0;
  if (layout.task == Layout::Task::kSegment) {
    Feature x = build.conv(features[0], head + ".proto.cv1", {.kernel = 3});
    x = build.upsample(x, head + ".proto.upsample");
    x = build.conv(x, head + ".proto.cv2", {.kernel = 3});
    x = build.conv(x, head + ".proto.cv3");
    masks = x.channels;
    build.network().markOutput(*x.tensor, "proto");
  }

  std::vector<Tensor*> maps;
  std::int64_t channels = 0;
  for (std::size_t i = 0; i < features.size(); ++i) {
    const Feature map = build.convolution(features[i], fmt::format("{}.m.{}", head, i), {});
    maps.push_back(map.tensor);
    if (i == 0) channels = map.channels;
    if (map.channels != channels || channels % perCell != 0 || channels / perCell < 6 + masks)
      throw Error(
          ErrorCode::kInvalidShape,
          fmt::format("[yolov5 {}.m.{}] {} channels are not {} anchors x (5 + classes + {} masks)",
                      head, i, map.channels, perCell, masks));
  }
  const std::int64_t classes = channels / perCell - 5 - masks;
  describeClasses(build.network(), options,
                  layout.task == Layout::Task::kSegment ? "segment" : "detect", classes);
  Fields fields;
  fields.set("classes", classes);
  fields.set("masks", masks);
  fields.set("strides", strides);
  fields.set("anchors", std::move(anchors));
  addDetections(build.network(), options, classes, maps, "yolov5_detect", "yolov5_decode", fields);
}

void addClassifier(const YoloBuilder& build, const Layout& layout, const Options& options,
                   const Feature& features) {
  // The original makes this head after it set the epsilon of all others.
  const LayerBuilder own(build.network(), build.weights());
  const std::string head = key(layout.head);
  Feature x = own.convolution(features, head + ".conv.conv", {}, head + ".conv.bn");
  x = own.activation(x, ActivationType::kSilu, head + ".conv.act");
  x = own.globalAverage(x, head + ".pool");
  x = own.linear(x, head + ".linear", x.channels);
  build.network().markOutput(*x.tensor, "scores");
  describeClasses(build.network(), options, "classify", x.channels);
  auto& metadata = build.network().metadata();
  metadata["preprocess.kind"] = "center_square";
  metadata["preprocess.mean"] = kImageNetMean;
  metadata["preprocess.std"] = kImageNetStd;
}

void define(Network& network, const WeightMap& weights,
            const std::map<std::string, std::string>& values) {
  requireFamily(weights, "yolov5");
  const Options options("yolov5", values);
  const Layout layout(weights);
  const YoloBuilder build(network, weights);
  const bool classify = layout.task == Layout::Task::kClassify;
  describeVariant(build, layout, options);

  const std::int64_t side = classify ? 224 : layout.levels == 3 ? 640 : 1280;
  const ImageSize size = options.imageSize(weights, {side, side});
  const std::int64_t stride = layout.maxStride();
  if (!classify) requireMultiple(options, size, stride);
  if (options.flag("dynamic") && classify)
    options.refuse("dynamic", "a classification network has a fixed input size");
  const std::int64_t channels =
      countOf(weights, "model.0.conv.weight") / (stemChannels(weights) * kStemKernel * kStemKernel);
  Tensor& images =
      addImageInput(network, options, channels, size, {options.flag("dynamic") ? stride : 0});

  const std::vector<Feature> backbone = addBackbone(build, {&images, channels}, layout.stages());
  if (classify) return addClassifier(build, layout, options, backbone.back());
  describeLetterbox(network, stride);
  addHead(build, layout, options, addNeck(build, backbone));
}

}  // namespace

void registerNetwork_yolov5(NetworkRegistry& registry) {
  std::vector<NetworkOption> options =
      imageOptions("",
                   "input size N or HxW, multiples of the stride (default: the weights' own, or "
                   "640, with four levels 1280, to classify 224)");
  options.push_back(namesOption());
  for (NetworkOption& option : detectionOptions()) options.push_back(option);
  options.push_back(
      {"variant", "",
       "n, s, m, l, x, n6 to x6 or 'c DEPTH WIDTH': only checked, the weights decide"});
  registry.add(
      {"yolov5", "YOLOv5 v6/v7: detection, segmentation, classification", options, define});
}

}  // namespace layerwise
