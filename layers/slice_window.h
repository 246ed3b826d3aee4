#pragma once

#include "layers/layer_kind.h"

namespace layerwise {

/// A Slice's numbers for one input: one an axis, start counted from the beginning, size known, step
/// filled in.
struct SliceWindow {
  Dims start, size, step;
};

/// Throws through the context, naming the number at fault.
SliceWindow resolveSlice(const Slice& attributes, const ShapeContext& context);

}  // namespace layerwise
