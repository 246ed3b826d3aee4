#pragma once

#include <vector>

#include "apps/yolov5/detector.h"
#include "layerwise/mask.h"

namespace layerwise::apps {

/// The pixels of one detected object in the picture, and their outline.
struct ObjectMask {
  Mask mask;
  std::vector<Point> outline;
};

/// The masks of a picture's detections; empty without segmentation.
std::vector<ObjectMask> makeMasks(const Findings& findings);

}  // namespace layerwise::apps
