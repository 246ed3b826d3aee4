#pragma once

#include <string>

#include "apps/lane/lane_detector.h"

namespace layerwise::apps {

/// `--val`: TuSimple's accuracy over a file of its label lines (raw_file, lanes, h_samples); the
/// pictures lie below the file's folder. Returns the exit status.
int validateLanes(LaneDetector& detector, const std::string& labels, const std::string& json,
                  bool quiet);

}  // namespace layerwise::apps
