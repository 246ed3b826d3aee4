#pragma once

#include "apps/common/command_line.h"

namespace layerwise::apps {

/// What a network's program is asked to do.
enum class Mode { kBuild, kRun, kValidate };

/// -s, -d (-t is the same) and --val.
void declareModes(CommandLine& line, const char* runHelp, const char* validateHelp);

/// The one that was asked for; without any it is kRun. Throws UsageError for two.
Mode readMode(const CommandLine& line);

}  // namespace layerwise::apps
