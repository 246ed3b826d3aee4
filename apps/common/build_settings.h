#pragma once

#include <string>

#include "apps/common/command_line.h"
#include "apps/common/quantization_settings.h"
#include "layerwise/data_type.h"
#include "layerwise/logger.h"

namespace layerwise::apps {

/// How an engine is built or loaded, from the options that all programs share.
struct BuildSettings {
  std::string device = "cpu";
  int threads = 0;  ///< 0: one a core
  int level = 3;    ///< of optimisation
  DataType precision = DataType::kFloat32;
  bool winograd = true;
  QuantizationSettings quantization;
  bool tf32 = false;
  bool weightOnly = true;
  std::string timingCache;
  bool quiet = false;
  Logger logger;
};

/// --threads and --device.
void declareDeviceOptions(CommandLine& line);
/// --builderOptimizationLevel, --timingCache and the precisions.
void declareBuildOptions(CommandLine& line);
/// What was given of the options above; the others may be undeclared.
BuildSettings readBuildSettings(const CommandLine& line);

}  // namespace layerwise::apps
