#include "passes/affine.h"

#include <algorithm>
#include <cmath>

#include "passes/rewrite.h"

namespace layerwise {
namespace {

std::vector<double> orDefault(const ConstantData& weight, std::size_t count, double value) {
  return weight.count ? readConstant(weight) : std::vector<double>(count, value);
}

Affine fromBatchNorm(const Node& node, double epsilon) {
  std::vector<double> mean = readConstant(weightOf(node, 2));
  std::vector<double> variance = readConstant(weightOf(node, 3));
  Affine affine{.scale = orDefault(weightOf(node, 0), mean.size(), 1),
                .shift = orDefault(weightOf(node, 1), mean.size(), 0),
                .axis = 1};
  for (std::size_t c = 0; c < mean.size(); ++c) {
    affine.scale[c] /= std::sqrt(variance[c] + epsilon);
    affine.shift[c] -= mean[c] * affine.scale[c];
  }
  return affine;
}

}  // namespace

std::optional<Affine> affineOf(const Node& node, int rank) {
  if (auto* norm = node.as<BatchNorm>()) return fromBatchNorm(node, norm->epsilon);
  auto* scale = node.as<Scale>();
  if (!scale || scale->mode == ScaleMode::kElementwise) return {};
  std::vector<double> power = readConstant(weightOf(node, 2));
  if (std::any_of(power.begin(), power.end(), [](double p) { return p != 1; })) return {};
  auto count = static_cast<std::size_t>(
      std::max({weightOf(node, 0).count, weightOf(node, 1).count, std::int64_t{1}}));
  Affine affine{.scale = orDefault(weightOf(node, 1), count, 1),
                .shift = orDefault(weightOf(node, 0), count, 0)};
  if (scale->mode == ScaleMode::kChannel && (weightOf(node, 0).count || weightOf(node, 1).count))
    affine.axis =
        static_cast<int>(scale->channelAxis < 0 ? scale->channelAxis + rank : scale->channelAxis);
  return affine;
}

std::optional<Affine> compose(const Affine& first, const Affine& second) {
  if (!first.isUniform() && !second.isUniform() && first.axis != second.axis) return {};
  Affine both{.axis = first.isUniform() ? second.axis : first.axis};
  std::size_t count = std::max(first.scale.size(), second.scale.size());
  both.scale.resize(count);
  both.shift.resize(count);
  for (std::size_t c = 0; c < count; ++c) {
    std::size_t a = first.isUniform() ? 0 : c, b = second.isUniform() ? 0 : c;
    both.scale[c] = first.scale[a] * second.scale[b];
    both.shift[c] = first.shift[a] * second.scale[b] + second.shift[b];
  }
  return both;
}

}  // namespace layerwise
