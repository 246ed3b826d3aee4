#include "networks/blocks/image_network.h"

#include <fmt/format.h>

#include <algorithm>

#include "layerwise/error.h"

namespace layerwise::blocks {
namespace {

constexpr std::int64_t kMaxBatch = 4096;

/// One name a line, or separated by commas where there is one line only.
std::string onePerLine(std::string names) {
  if (names.find('\n') == std::string::npos) std::replace(names.begin(), names.end(), ',', '\n');
  while (!names.empty() && names.back() == '\n') names.pop_back();
  return names;
}

}  // namespace

std::vector<NetworkOption> imageOptions(const std::string& imgszDefault,
                                        const std::string& imgszDescription) {
  return {{"imgsz", imgszDefault, imgszDescription},
          {"batch", "1", "the most images of one run; above 1 the engine takes 1 to that many"}};
}

NetworkOption namesOption() {
  return {"names", "",
          "class names, one a line or separated by commas (default: the weights' own)"};
}

Tensor& addImageInput(Network& network, const Options& options, std::int64_t channels,
                      ImageSize size, OpenSize open) {
  const std::int64_t batch = options.integer("batch", 1, kMaxBatch);
  auto& metadata = network.metadata();
  metadata["imgsz"] = toString(size);
  const Dims most{batch, channels, size.height, size.width};
  Dims least = most, usual = most, dims = most;
  least[0] = usual[0] = 1;
  if (batch > 1) dims[0] = -1;
  if (open.multiple) {
    least[2] = least[3] = open.multiple;
    dims[2] = dims[3] = -1;
  }
  if (dims.isDynamic()) {
    const std::string key = fmt::format("profile.{}.", kImageInput);
    metadata[key + "min"] = toString(least);
    metadata[key + "opt"] = toString(usual);
    metadata[key + "max"] = toString(most);
  }
  return network.addInput(kImageInput, DataType::kFloat32, dims);
}

void describeClasses(Network& network, const Options& options, const std::string& task,
                     std::int64_t classes) {
  auto& metadata = network.metadata();
  metadata["task"] = task;
  metadata["classes"] = std::to_string(classes);
  if (options.given("names")) metadata["names"] = options.text("names");
  auto names = metadata.find("names");
  if (names == metadata.end()) return;
  names->second = onePerLine(names->second);
  const auto count = std::count(names->second.begin(), names->second.end(), '\n') + 1;
  if (count != classes)
    options.refuse("names", fmt::format("{} names, the weights have {} classes", count, classes));
}

std::vector<NetworkOption> resizeCropOptions(const std::string& mean,
                                             const std::string& deviation) {
  return {{"resize", "",
           "preprocessing: the shorter side before the centre crop to imgsz; 0: as it is "
           "(default: 256; 32 for inputs of 32x32)"},
          {"mean", mean, "preprocessing: what is subtracted from red, green, blue (0 to 1)"},
          {"std", deviation, "preprocessing: what they are divided by"}};
}

void describeNormalization(Network& network, const Options& options, std::size_t channels) {
  const std::vector<double> mean = options.reals("mean"), deviation = options.reals("std");
  for (const auto& [name, values] : {std::pair("mean", &mean), std::pair("std", &deviation)})
    if (values->size() != channels)
      options.refuse(
          name, fmt::format("{} numbers, the input has {} channels", values->size(), channels));
  if (std::find(deviation.begin(), deviation.end(), 0.0) != deviation.end())
    options.refuse("std", "0 cannot be divided by");
  network.metadata()["preprocess.mean"] = join(mean);
  network.metadata()["preprocess.std"] = join(deviation);
}

void describeResizeCrop(Network& network, const Options& options, ImageSize size,
                        std::int64_t resize) {
  auto& metadata = network.metadata();
  metadata["preprocess.kind"] = "resize_crop";
  metadata["preprocess.resize"] = std::to_string(options.integerOr("resize", 0, 1 << 16, resize));
  metadata["preprocess.crop"] = toString(size);
  describeNormalization(network, options, 3);
}

}  // namespace layerwise::blocks
