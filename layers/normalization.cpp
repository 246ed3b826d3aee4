#include <array>
#include <cmath>

#include "layers/index_space.h"
#include "layers/layer_kind.h"
#include "layers/reduced_axes.h"

namespace layerwise {
namespace {

std::vector<TensorInfo> infer(const Normalization& a, const ShapeContext& c) {
  c.expectFloat();
  const Dims& in = c.dims();
  if (a.groups < 1) c.fail("groups {} must be at least 1", a.groups);
  if (a.groups > 1) {
    c.expectRank(0, 2, Dims::kMaxRank);
    if (in[1] % a.groups) c.fail("{} groups do not divide {} channels", a.groups, in[1]);
  } else {
    if (a.axes.empty()) c.fail("axes are not set");
    reducedAxes(a.axes, in.rank());
  }
  for (int i = 1; i < static_cast<int>(c.inputs.size()); ++i) {
    c.expectSameType(0, i);
    expectBroadcastsTo(c, i, in);
  }
  return {c.inputs[0].info};
}

void reference(const Normalization& a, const ReferenceContext& c) {
  const Dims& in = c.inputs[0].info.dims;
  const std::vector<double>& x = c.inputs[0].values;
  std::array<bool, Dims::kMaxRank> reduced{};
  if (a.groups == 1) reduced = reducedAxes(a.axes, in.rank());
  // The number of the set of elements that share statistics.
  auto setOf = [&](const Dims& index) {
    if (a.groups > 1) return index[0] * a.groups + index[1] / (in[1] / a.groups);
    std::int64_t set = 0;
    for (int i = 0; i < in.rank(); ++i)
      if (!reduced[static_cast<std::size_t>(i)]) set = set * in[i] + index[i];
    return set;
  };
  std::int64_t sets = a.groups > 1 ? in[0] * a.groups : 1;
  if (a.groups == 1)
    for (int i = 0; i < in.rank(); ++i)
      if (!reduced[static_cast<std::size_t>(i)]) sets *= in[i];
  if (x.empty()) return;
  std::vector<double> mean(static_cast<std::size_t>(sets)), variance(mean.size());
  double count = static_cast<double>(x.size()) / static_cast<double>(sets);
  std::size_t i = 0;
  forEachIndex(in, [&](const Dims& index) {
    mean[static_cast<std::size_t>(setOf(index))] += x[i++] / count;
  });
  i = 0;
  forEachIndex(in, [&](const Dims& index) {
    auto set = static_cast<std::size_t>(setOf(index));
    double distance = x[i++] - mean[set];
    variance[set] += distance * distance / count;
  });
  auto broadcastInput = [&](std::size_t input, const Dims& index, double missing) {
    if (c.inputs.size() <= input) return missing;
    Dims strides = broadcastStrides(c.inputs[input].info.dims, in);
    return c.inputs[input].values[static_cast<std::size_t>(offsetOf(index, strides))];
  };
  i = 0;
  forEachIndex(in, [&](const Dims& index) {
    auto set = static_cast<std::size_t>(setOf(index));
    double normal = (x[i] - mean[set]) / std::sqrt(variance[set] + a.epsilon);
    c.outputs[0].values[i++] = normal * broadcastInput(1, index, 1) + broadcastInput(2, index, 0);
  });
}

bool imageByImage(const Normalization& a, std::span<const TensorInfo> inputs) {
  return imageByImageInOneRank(a, inputs) &&
         (a.groups > 1 || !reducedAxes(a.axes, inputs[0].dims.rank())[0]);
}

}  // namespace

void registerLayer_normalization(LayerRegistry& registry) {
  registry.add<Normalization>(
      {.maxInputs = 3, .infer = infer, .reference = reference, .imageByImage = imageByImage});
}

}  // namespace layerwise
