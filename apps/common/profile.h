#pragma once

#include <map>
#include <string>

#include "layerwise/builder.h"

namespace layerwise::apps {

/// The optimisation profile to build a network with: what its metadata wish, with `extraStrides` of
/// room above the largest height and width where these are open, or the shapes given, whose open
/// dimensions then become the input's. Throws Error for an input that the network has not.
OptimizationProfile chooseProfile(Network& network, const std::map<std::string, ShapeRange>& given,
                                  int extraStrides);

/// trtexec's --minShapes, --optShapes, --maxShapes: what is missing of the three follows from the
/// others. Throws UsageError where they contradict each other.
std::map<std::string, ShapeRange> readShapeRanges(const std::string& min, const std::string& opt,
                                                  const std::string& max);

}  // namespace layerwise::apps
