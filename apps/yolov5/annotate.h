#pragma once

#include <string>
#include <vector>

#include "apps/yolov5/detector.h"
#include "apps/yolov5/masks.h"
#include "layerwise/image.h"

namespace layerwise::apps {

/// Draws boxes with class and score, and masks, into the picture.
void annotate(Image& image, const Findings& findings, const std::vector<ObjectMask>& masks,
              const std::vector<std::string>& names);

}  // namespace layerwise::apps
