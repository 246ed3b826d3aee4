#pragma once

#include <string>
#include <vector>

namespace layerwise::apps {

/// The names that an engine's metadata holds, one a line.
std::vector<std::string> splitLines(const std::string& text);

/// The names joined the way metadata holds them.
std::string joinLines(const std::vector<std::string>& names);

/// The class's name, or its number where there is none.
std::string className(const std::vector<std::string>& names, int classId);

}  // namespace layerwise::apps
