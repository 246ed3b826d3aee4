#pragma once

#include <memory>
#include <string>
#include <vector>

#include "apps/yolov5/detector.h"
#include "layerwise/engine.h"

namespace layerwise::apps {

struct ValidationRequest {
  std::string dataset;             ///< folder or data.yaml
  std::vector<std::string> names;  ///< of the classes; empty: the data set's own, or numbers
  std::string json;                ///< file of the figures; empty: none
  bool quiet = false;
};

/// `--val`: detects in a data set in YOLO's format and prints precision, recall and average
/// precision of its boxes. Returns the exit status.
int validate(std::shared_ptr<const Engine> engine, const DetectorOptions& options,
             const ValidationRequest& request);

}  // namespace layerwise::apps
