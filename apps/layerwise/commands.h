#pragma once

#include <string>
#include <vector>

namespace layerwise::apps {

// The tool's commands, one file each: they take the words behind their name and return the exit
// status.
using Words = std::vector<std::string>;

int benchCommand(const Words& words);
int buildCommand(const Words& words);
int compareCommand(const Words& words);
int convertCommand(const Words& words);
int devicesCommand(const Words& words);
int inspectCommand(const Words& words);
int networksCommand(const Words& words);
int retuneCommand(const Words& words);
int runCommand(const Words& words);
int weightsCommand(const Words& words);

}  // namespace layerwise::apps
