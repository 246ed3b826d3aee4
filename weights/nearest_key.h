#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace layerwise {

/// The key with the smallest edit distance (insert, delete, replace, swap neighbours); of equals
/// the one with the longest common beginning. A key that differs only by a whole leading part
/// (`module.`, `model.`) counts as close. Empty where none is.
std::string nearestKey(std::string_view wanted, const std::vector<std::string>& keys);

/// The distance itself, or `limit` where it is at least that.
std::size_t editDistance(std::string_view a, std::string_view b, std::size_t limit);

}  // namespace layerwise
