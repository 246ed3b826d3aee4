#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace layerwise {

/// The lines of a text file without their line ends (LF or CRLF). Throws Error naming the file,
/// which `role` goes before.
std::vector<std::string> readLines(const std::string& path, std::string_view role);

std::string_view trimmed(std::string_view text);

/// The words between blanks.
std::vector<std::string_view> splitWords(std::string_view line);

}  // namespace layerwise
