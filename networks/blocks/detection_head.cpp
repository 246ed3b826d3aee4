#include "networks/blocks/detection_head.h"

#include <fmt/format.h>

#include "layerwise/error.h"

namespace layerwise::blocks {
namespace {

// The defaults of the reference's detect.py.
constexpr double kConfidence = 0.25;
constexpr double kIou = 0.45;
constexpr std::int64_t kCapacity = 1000;

}  // namespace

std::vector<NetworkOption> detectionOptions() {
  return {{"dynamic", "false",
           "true: height and width may be any multiples of the stride up to imgsz at run time"},
          {"raw", "false", "true: the decoded head before suppression becomes the output 'raw'"},
          {"capacity", std::to_string(kCapacity), "the most boxes of one image"}};
}

void addDetections(Network& network, const Options& options, std::int64_t classes,
                   const std::vector<Tensor*>& maps, const std::string& detectPlugin,
                   const std::string& decodePlugin, Fields fields) {
  const std::int64_t capacity = options.integer("capacity", 1, 100'000);
  Tensor& runTime =
      network.addInput("options", {5}, {kConfidence, kIou, static_cast<double>(capacity), 0, 0});
  Tensor& filter = network.addInput("class_filter", {classes},
                                    std::vector<double>(static_cast<std::size_t>(classes), 1.0));
  if (options.flag("raw")) {
    auto& decode = network.addPlugin(maps, createPlugin(decodePlugin, 1, fields));
    decode.setName(decodePlugin);
    network.markOutput(decode.output(), "raw");
  }
  fields.set("capacity", capacity);
  std::vector<Tensor*> inputs = maps;
  inputs.insert(inputs.end(), {&runTime, &filter});
  auto& detect = network.addPlugin(inputs, createPlugin(detectPlugin, 1, fields));
  detect.setName(detectPlugin);
  network.markOutput(detect.output(0), "count");
  network.markOutput(detect.output(1), "detections");
}

void describeLetterbox(Network& network, std::int64_t stride) {
  auto& metadata = network.metadata();
  metadata["preprocess.kind"] = "letterbox";
  metadata["preprocess.pad"] = "114";
  metadata["stride"] = std::to_string(stride);
}

void requireMultiple(const Options& options, ImageSize size, std::int64_t stride) {
  for (std::int64_t side : {size.height, size.width})
    if (side % stride != 0)
      options.refuse("imgsz", fmt::format("{} is no multiple of the stride {}: {} is the next",
                                          side, stride, (side + stride - 1) / stride * stride));
}

}  // namespace layerwise::blocks
