#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace layerwise::apps {

/// The word with the smallest edit distance, or an empty string where none is close enough to be
/// what was meant.
std::string nearestWord(std::string_view word, const std::vector<std::string>& words);

}  // namespace layerwise::apps
