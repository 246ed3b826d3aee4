#include "apps/common/profile.h"

#include <fmt/format.h>

#include "apps/common/program.h"
#include "apps/common/size.h"
#include "layerwise/error.h"
#include "layerwise/network_registry.h"

namespace layerwise::apps {
namespace {

Tensor& inputOf(Network& network, const std::string& name) {
  std::string all;
  for (int i = 0; i < network.inputCount(); ++i) {
    if (network.input(i).name() == name) return network.input(i);
    all += (i ? ", " : "") + network.input(i).name();
  }
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("[input {}] the network has none of that name; it has {}", name, all));
}

/// Room above the largest height and width.
void extend(const Network& network, OptimizationProfile& profile, int strides) {
  auto found = network.metadata().find("stride");
  if (strides == 0 || found == network.metadata().end()) return;
  for (auto& [name, range] : profile.inputs)
    for (int axis = 2; axis < range.max.rank(); ++axis)
      if (range.min[axis] != range.max[axis]) range.max[axis] += strides * std::stoi(found->second);
}

}  // namespace

OptimizationProfile chooseProfile(Network& network, const std::map<std::string, ShapeRange>& given,
                                  int extraStrides) {
  OptimizationProfile profile = defaultProfile(network);
  extend(network, profile, extraStrides);
  for (const auto& [name, range] : given) {
    Tensor& input = inputOf(network, name);
    Dims dims = range.max;
    for (int axis = 0; axis < dims.rank(); ++axis)
      if (range.min[axis] != range.max[axis]) dims[axis] = -1;
    input.setDims(dims);
    profile.inputs[name] = range;
  }
  return profile;
}

std::map<std::string, ShapeRange> readShapeRanges(const std::string& min, const std::string& opt,
                                                  const std::string& max) {
  const auto least = parseShapes(min, "minShapes"), usual = parseShapes(opt, "optShapes"),
             most = parseShapes(max, "maxShapes");
  std::map<std::string, ShapeRange> ranges;
  for (const auto* shapes : {&least, &usual, &most})
    for (const auto& [name, dims] : *shapes) ranges[name];
  const auto pick = [](const std::string& name, auto&... maps) {
    Dims dims;
    ((dims = dims.empty() && maps.contains(name) ? maps.at(name) : dims), ...);
    return dims;
  };
  for (auto& [name, range] : ranges) {
    range = {pick(name, least, usual, most), pick(name, usual, most, least),
             pick(name, most, usual, least)};
    const bool ranks = range.min.rank() == range.opt.rank() && range.opt.rank() == range.max.rank();
    bool ordered = ranks;
    for (int axis = 0; ordered && axis < range.min.rank(); ++axis)
      ordered = range.min[axis] <= range.opt[axis] && range.opt[axis] <= range.max[axis];
    if (!ordered)
      throw UsageError(fmt::format("[--minShapes {}] {}, {}, {} are not min <= opt <= max", name,
                                   toString(range.min), toString(range.opt), toString(range.max)));
  }
  return ranges;
}

}  // namespace layerwise::apps
