#pragma once

#include "layers/layer_kind.h"

namespace layerwise {

/// A Padding's numbers for one input: one an axis.
struct PaddingWindow {
  Dims pre, post, output;
};

/// Throws Error naming the attributes and the input.
PaddingWindow resolvePadding(const Padding& attributes, const Dims& input);

}  // namespace layerwise
