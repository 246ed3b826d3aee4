#pragma once

#include <string>

namespace layerwise::apps {

/// The whole program of a classification network: -s, -d and --val.
int runClassifierProgram(const std::string& network, const std::string& summary, int argc,
                         char** argv);

}  // namespace layerwise::apps
