#pragma once

#include <optional>
#include <vector>

#include "engine/graph.h"

namespace layerwise {

/// x scale[c] + shift[c], c being the entry of `axis`; one number each, and no axis, where it is
/// the same for all. In double: a chain of them is composed first and rounded once.
struct Affine {
  std::vector<double> scale{1};
  std::vector<double> shift{0};
  int axis = kNone;

  bool isUniform() const { return axis == kNone; }
};

/// What a batch norm or a scale without a power does to an input of `rank` axes; nothing for other
/// layers.
std::optional<Affine> affineOf(const Node& node, int rank);

/// `first`, then `second`; nothing where they go over different axes.
std::optional<Affine> compose(const Affine& first, const Affine& second);

}  // namespace layerwise
