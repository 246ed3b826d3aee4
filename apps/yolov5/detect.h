#pragma once

#include <memory>
#include <string>
#include <vector>

#include "apps/common/pictures_request.h"
#include "apps/yolov5/detector.h"
#include "layerwise/engine.h"

namespace layerwise::apps {

/// `-d`: detects in pictures, draws, writes labels and JSON. Returns the exit status.
int detectPictures(std::shared_ptr<const Engine> engine, const DetectorOptions& options,
                   const PicturesRequest& request, const std::string& labels);

}  // namespace layerwise::apps
