#pragma once

#include <string>

#include "apps/common/pictures_request.h"
#include "apps/lane/lane_detector.h"

namespace layerwise::apps {

/// `-d`: finds lanes in pictures, draws them, and writes lines in TuSimple's JSON format. `raw` is
/// a folder for the network's outputs as .npy, or empty. Returns the exit status.
int detectLanes(LaneDetector& detector, const PicturesRequest& request, const std::string& raw);

}  // namespace layerwise::apps
