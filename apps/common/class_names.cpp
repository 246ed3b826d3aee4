#include "apps/common/class_names.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace layerwise::apps {

std::vector<std::string> splitLines(const std::string& text) {
  std::vector<std::string> lines;
  std::size_t start = 0;
  while (start < text.size()) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    lines.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  return lines;
}

std::string joinLines(const std::vector<std::string>& names) {
  return fmt::format("{}", fmt::join(names, "\n"));
}

std::string className(const std::vector<std::string>& names, int classId) {
  const auto index = static_cast<std::size_t>(classId);
  return index < names.size() && !names[index].empty() ? names[index] : std::to_string(classId);
}

}  // namespace layerwise::apps
