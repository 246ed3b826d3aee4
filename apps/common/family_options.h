#pragma once

#include <map>
#include <string>

#include "apps/common/command_line.h"
#include "layerwise/network_registry.h"

namespace layerwise::apps {

/// Declares the options of a network family under a heading of their own, "imgsz" also as --size.
void declareFamilyOptions(CommandLine& line, const NetworkFamily& family);

/// Those that were given. Class names may be given as the file that holds them.
std::map<std::string, std::string> readFamilyOptions(const CommandLine& line,
                                                     const NetworkFamily& family);

}  // namespace layerwise::apps
