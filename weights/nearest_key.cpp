#include "weights/nearest_key.h"

#include <algorithm>
#include <numeric>

namespace layerwise {
namespace {

// Keys are names of layers; longer ones are not worth quadratic time.
constexpr std::size_t kLongestKey = 512;

std::size_t commonPrefix(std::string_view a, std::string_view b) {
  return static_cast<std::size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first -
                                  a.begin());
}

bool endsWithPart(std::string_view key, std::string_view part) {
  return key.size() > part.size() + 1 && key.ends_with(part) &&
         key[key.size() - part.size() - 1] == '.';
}

}  // namespace

std::size_t editDistance(std::string_view a, std::string_view b, std::size_t limit) {
  if (std::max(a.size(), b.size()) - std::min(a.size(), b.size()) >= limit) return limit;
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  std::iota(last.begin(), last.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    std::size_t smallest = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
      smallest = std::min(smallest, row[j]);
    }
    if (smallest >= limit) return limit;
    before.swap(last);
    last.swap(row);
  }
  return std::min(last[b.size()], limit);
}

std::string nearestKey(std::string_view wanted, const std::vector<std::string>& keys) {
  const std::string* best = nullptr;
  std::size_t bestDistance = 0, bestPrefix = 0;
  if (wanted.empty() || wanted.size() > kLongestKey) return {};
  for (const std::string& key : keys) {
    if (key.size() > kLongestKey) continue;
    // Close means: two thirds of the longer one are right.
    std::size_t limit = std::max(key.size(), wanted.size()) / 3 + 1;
    std::size_t distance = endsWithPart(key, wanted) || endsWithPart(wanted, key)
                               ? std::size_t{1}
                               : editDistance(wanted, key, limit);
    if (distance >= limit) continue;
    const std::size_t prefix = commonPrefix(wanted, key);
    if (best == nullptr || distance < bestDistance ||
        (distance == bestDistance && prefix > bestPrefix)) {
      best = &key;
      bestDistance = distance;
      bestPrefix = prefix;
    }
  }
  return best != nullptr ? *best : std::string();
}

}  // namespace layerwise
