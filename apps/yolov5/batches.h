#pragma once

#include <functional>
#include <string>
#include <vector>

#include "apps/common/input_files.h"
#include "apps/yolov5/detector.h"

namespace layerwise::apps {

/// A picture that went through the network.
struct Seen {
  std::size_t file = 0;  ///< its index
  Image image;
  Findings findings;
  double milliseconds = 0.0;  ///< its share of the batch's inference
};

/// Pictures that could not be read.
struct Unreadable {
  std::int64_t named = 0;  ///< by the user
  std::int64_t met = 0;    ///< in folders
};

/// Reads the pictures in order, gathers what has the same input size into batches, runs them, and
/// hands each on. A file that cannot be read gets its line on standard error.
Unreadable forEachPicture(Detector& detector, const std::vector<InputFile>& files,
                          StageTimes& times, const std::function<void(Seen&)>& take);

}  // namespace layerwise::apps
