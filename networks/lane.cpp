#include <fmt/format.h>
#include <fmt/ranges.h>

#include "layerwise/error.h"
#include "networks/blocks/image_network.h"
#include "networks/blocks/recognise.h"
#include "networks/blocks/resnet.h"

/// Ultra-Fast-Lane-Detection (Qin et al. 2020; cfzd/Ultra-Fast-Lane-Detection, model/model.py): a
/// ResNet "model", a 1x1 convolution "pool" to a few channels, and two fully connected layers
/// "cls"; its two-headed variant has a second pair "attr" that gives lane attributes. What the
/// decode needs to know of the grid is kept in the metadata: docs/networks.md.
namespace layerwise {
namespace {

using namespace blocks;

/// Cells across the picture (one more stands for "no lane here"), rows and lanes.
struct Grid {
  std::int64_t cells, rows, lanes;
  std::int64_t values() const { return (cells + 1) * rows * lanes; }
};

// TuSimple, CULane, the two-headed variant; no two of the same size.
constexpr Grid kGrids[] = {{100, 56, 4}, {200, 18, 4}, {200, 32, 4}};

Grid readGrid(const Options& options, std::int64_t values) {
  Grid usual = kGrids[0];
  for (const Grid& grid : kGrids)
    if (grid.values() == values) usual = grid;
  const Grid grid{options.integerOr("cells", 1, 100'000, usual.cells),
                  options.integerOr("rows", 1, 100'000, usual.rows),
                  options.integerOr("lanes", 1, 1000, usual.lanes)};
  if (grid.values() != values)
    options.refuse("cells",
                   fmt::format("({} cells + 1) x {} rows x {} lanes = {} values, cls.2 gives {}",
                               grid.cells, grid.rows, grid.lanes, grid.values(), values));
  return grid;
}

/// The rows of the picture that the grid's rows lie on, in pixels of a height of 288: the data
/// sets' own, or evenly spaced over TuSimple's extent.
std::vector<double> usualRowAnchors(std::int64_t rows) {
  if (rows == 18)
    return {121, 131, 141, 150, 160, 170, 180, 189, 199,
            209, 219, 228, 238, 248, 258, 267, 277, 287};
  constexpr double kFirst = 64, kLast = 284;
  std::vector<double> anchors;
  for (std::int64_t i = 0; i < rows; ++i)
    anchors.push_back(rows == 1 ? kLast
                                : kFirst + (kLast - kFirst) * static_cast<double>(i) /
                                               static_cast<double>(rows - 1));
  return anchors;
}

void describeGrid(Network& network, const Options& options, const Grid& grid) {
  std::vector<double> anchors = options.reals("row_anchors");
  if (anchors.empty()) anchors = usualRowAnchors(grid.rows);
  if (static_cast<std::int64_t>(anchors.size()) != grid.rows)
    options.refuse("row_anchors",
                   fmt::format("{} numbers, the grid has {} rows", anchors.size(), grid.rows));
  auto& metadata = network.metadata();
  metadata["task"] = "lanes";
  metadata["lane.cells"] = std::to_string(grid.cells);
  metadata["lane.rows"] = std::to_string(grid.rows);
  metadata["lane.lanes"] = std::to_string(grid.lanes);
  metadata["lane.row_anchors"] = join(anchors);
  metadata["lane.anchor_height"] =
      std::to_string(options.integerOr("anchor_height", 1, 1 << 16, 288));
  metadata["preprocess.kind"] = "stretch";
  describeNormalization(network, options, 3);
}

/// The fully connected pair `key`.0 and `key`.2.
Feature addHead(const LayerBuilder& build, const Feature& x, const std::string& key,
                std::int64_t flat) {
  return build.linear(build.relu(build.linear(x, key + ".0", flat), key + ".1"), key + ".2",
                      build.weights().count(key + ".0.bias"));
}

/// Options that were not given are taken from what the weights' metadata says of their grid.
std::map<std::string, std::string> withMetadata(std::map<std::string, std::string> values,
                                                const WeightMap& weights) {
  for (const char* name : {"cells", "rows", "lanes", "row_anchors", "anchor_height"}) {
    const auto known = weights.metadata().find(std::string("lane.") + name);
    if (values[name].empty() && known != weights.metadata().end()) values[name] = known->second;
  }
  return values;
}

void define(Network& network, const WeightMap& weights,
            const std::map<std::string, std::string>& given) {
  requireFamily(weights, "lane");
  const std::map<std::string, std::string> values = withMetadata(given, weights);
  const Options options("lane", values);
  const ResNet backbone(weights, "model.");
  const LayerBuilder build(network, weights);
  const ImageSize size = options.imageSize(weights, {288, 800});
  const Grid grid = readGrid(options, countOf(weights, "cls.2.bias"));

  // Five convolutions and poolings of stride 2, each rounding up.
  const std::int64_t cells = ((size.height + 31) / 32) * ((size.width + 31) / 32);
  const std::int64_t flat = countOf(weights, "pool.bias") * cells;
  const std::int64_t hidden = countOf(weights, "cls.0.bias");
  if (const std::int64_t held = weights.at("cls.0.weight").count; held != flat * hidden)
    options.refuse("imgsz", fmt::format("{} gives {} features to cls.0, its weights take {}",
                                        toString(size), flat, held / hidden));

  Tensor& images = addImageInput(network, options, backbone.inputChannels, size);
  network.metadata()["variant"] = backbone.variant();
  Feature x = backbone.add(build, {&images, backbone.inputChannels});
  x = build.convolution(x, "pool", {});
  Feature points = addHead(build, x, "cls", flat);
  network.markOutput(
      build.reshape(*points.tensor, {0, grid.cells + 1, grid.rows, grid.lanes}, "key_points"));
  describeGrid(network, options, grid);
  if (!hasModule(weights, "attr.")) return;

  const ImageSize wish = options.size("attributes");
  const Feature attributes = addHead(build, x, "attr", flat);
  if (wish.height * wish.width != attributes.channels)
    options.refuse("attributes", fmt::format("{} = {} values, attr.2 gives {}", toString(wish),
                                             wish.height * wish.width, attributes.channels));
  network.markOutput(build.reshape(*attributes.tensor, {0, wish.height, wish.width}, "attributes"));
  network.metadata()["lane.attributes"] = toString(wish);
}

}  // namespace

void registerNetwork_lane(NetworkRegistry& registry) {
  std::vector<NetworkOption> options = imageOptions(
      "", "input size HxW (default: the weights' own, or 288x800); checked against cls.0");
  options.push_back({"cells", "",
                     "cells across the picture (default: the weights' own, or by the size of "
                     "cls.2: 100 TuSimple, 200 CULane)"});
  options.push_back({"rows", "", "row anchors (default: 56 TuSimple, 18 CULane, 32 two-headed)"});
  options.push_back({"lanes", "", "lanes (default: 4)"});
  options.push_back(
      {"attributes", "2x16", "two-headed variant: the shape of the second head's values"});
  options.push_back({"row_anchors", "",
                     "the rows' places at anchor_height, top first (default: the data set's own)"});
  options.push_back(
      {"anchor_height", "", "the picture height that row_anchors count in (default: 288)"});
  options.push_back(
      {"mean", kImageNetMean, "preprocessing: what is subtracted from red, green, blue (0 to 1)"});
  options.push_back({"std", kImageNetStd, "preprocessing: what they are divided by"});
  registry.add({"lane", "Ultra-Fast-Lane-Detection, with one head or two", options, define});
}

}  // namespace layerwise
