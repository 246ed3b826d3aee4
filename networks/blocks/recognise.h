#pragma once

#include <string>
#include <string_view>

#include "layerwise/weights.h"

namespace layerwise::blocks {

/// Which network some weights are of, as far as their keys tell.
struct Recognition {
  std::string family;       ///< the registered family that takes them; empty: none does
  std::string description;  ///< "YOLOv8 detection"; empty: not known
  std::string evidence;     ///< the key it was known by
};

Recognition recognise(const WeightMap& weights);

/// Throws Error kUnsupported where the weights are not of this family: it names what they are, as
/// far as that is known, and the key that shows it.
void requireFamily(const WeightMap& weights, std::string_view family);

}  // namespace layerwise::blocks
