#pragma once

#include <string>

#include "apps/common/command_line.h"
#include "layerwise/calibrator.h"

namespace layerwise::apps {

/// What the command line says of 8-bit integers.
struct QuantizationSettings {
  bool int8 = false;
  std::string folder;  ///< of calibration pictures or arrays; empty: none
  int images = 200;
  CalibrationMethod method = CalibrationMethod::kMse;
  double percentile = 99.99;
  double maxDrop = 0;  ///< percent; 0: no budget
  std::string cache;   ///< file of ranges: read where it is there, written otherwise
};

/// --int8, --calib, --calib-images, --calibrator, --percentile, --calib-cache, --max-drop.
void declareQuantizationOptions(CommandLine& line);
/// Throws UsageError for an option that needs --int8, and for --int8 without ranges to go by.
QuantizationSettings readQuantizationSettings(const CommandLine& line);

}  // namespace layerwise::apps
