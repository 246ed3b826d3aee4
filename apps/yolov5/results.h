#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apps/common/input_files.h"
#include "apps/yolov5/detector.h"
#include "apps/yolov5/masks.h"

namespace layerwise::apps {

/// "4 persons, 1 bus", in the order of classes; "(no detections)".
std::string describe(const std::vector<Detection>& detections,
                     const std::vector<std::string>& names);

/// A YOLO label file's text: `class cx cy w h score` a line, relative to the picture; with masks
/// `class x1 y1 x2 y2 ... score`, the outline.
std::string labelText(const Findings& findings, const std::vector<ObjectMask>& masks);

/// Adds the entries of COCO's results format for one picture: image_id (the file's stem, a number
/// where it is one), category_id (the class), bbox (x, y, width, height in pixels), score.
void addCocoResults(nlohmann::ordered_json& results, const InputFile& file,
                    const Findings& findings, const std::vector<ObjectMask>& masks);

}  // namespace layerwise::apps
