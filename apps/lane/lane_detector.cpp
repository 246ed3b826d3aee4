#include "apps/lane/lane_detector.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "apps/common/engine_source.h"
#include "layerwise/error.h"

namespace layerwise::apps {
namespace {

constexpr char kKeyPoints[] = "key_points";

[[noreturn]] void refuse(const std::string& why) {
  throw Error(ErrorCode::kUnsupported, "[engine] " + why);
}

std::vector<double> numbers(const Engine& engine, const std::string& key) {
  const std::string text = metadataOf(engine, key);
  std::vector<double> values;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    double value = 0.0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + comma, value);
    if (error != std::errc() || end != rest.data() + comma)
      refuse(fmt::format("its metadata {} '{}' is no list of numbers", key, text));
    values.push_back(value);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return values;
}

int number(const Engine& engine, const std::string& key) {
  const auto values = numbers(engine, key);
  if (values.size() != 1) refuse(fmt::format("its metadata have no {}: it is no lane engine", key));
  return static_cast<int>(values[0]);
}

LaneGrid gridOf(const Engine& engine, int inputWidth) {
  LaneGrid grid;
  grid.cells = number(engine, "lane.cells");
  grid.lanes = number(engine, "lane.lanes");
  grid.anchorHeight = number(engine, "lane.anchor_height");
  grid.inputWidth = inputWidth;
  if (grid.cells < 2 || grid.lanes < 1 || grid.anchorHeight < 1)
    refuse(fmt::format("its grid of {} cells and {} lanes at a height of {} is none", grid.cells,
                       grid.lanes, grid.anchorHeight));
  for (double anchor : numbers(engine, "lane.row_anchors"))
    grid.rowAnchors.push_back(static_cast<int>(std::lround(anchor)));
  return grid;
}

}  // namespace

LaneDetector::LaneDetector(std::shared_ptr<const Engine> engine, int threads)
    : engine_(std::move(engine)),
      input_(*engine_),
      grid_(gridOf(*engine_, input_.width())),
      context_(engine_->createContext({.threads = threads})) {
  planes_.resize(static_cast<std::size_t>(input_.values()));
  context_->setInput(input_.name(), planes_.data(),
                     {1, input_.channels(), input_.height(), input_.width()});
  for (const IoInfo& output : engine_->outputs()) {
    Array array{output.type, context_->outputDims(output.name), {}};
    array.bytes.resize(static_cast<std::size_t>(array.dims.volume()) * sizeOf(array.type));
    // The grid comes first.
    outputs_.emplace(output.name == kKeyPoints ? outputs_.begin() : outputs_.end(), output.name,
                     std::move(array));
  }
  if (outputs_.empty() || outputs_[0].first != kKeyPoints ||
      outputs_[0].second.type != DataType::kFloat32 ||
      outputs_[0].second.count() != grid_.logitCount())
    refuse(fmt::format("its output {} does not hold the {} values of its grid", kKeyPoints,
                       grid_.logitCount()));
  for (auto& [name, array] : outputs_) context_->setOutput(name, array.bytes.data());
}

std::span<const float> LaneDetector::run(const ImageView& image, StageTimes& times) {
  {
    const auto lap = times.preprocessing.lap();
    input_.write(image, planes_.data());
  }
  const auto lap = times.inference.lap();
  context_->run();
  return {outputs_[0].second.as<float>(), static_cast<std::size_t>(grid_.logitCount())};
}

}  // namespace layerwise::apps
