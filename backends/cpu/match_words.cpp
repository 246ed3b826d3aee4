#include "backends/cpu/match_words.h"

#include <algorithm>
#include <numeric>

#include "layers/byte_pairs.h"

namespace layerwise::cpu {
namespace {

// What is tried for a row before it stays alone.
constexpr int kTries = 64;

// Of each pair of weights, what it may add and what it may take away.
class Loads {
 public:
  Loads(const int8_t* rows, int64_t count, int64_t lanes)
      : pairs_(2 * lanes), loads_(static_cast<size_t>(2 * pairs_ * count)) {
    int16_t* to = loads_.data();
    for (int64_t i = 0; i < count * pairs_; ++i, rows += 2, to += 2) {
      to[0] = static_cast<int16_t>(std::max<int>(rows[0], 0) + std::max<int>(rows[1], 0));
      to[1] = static_cast<int16_t>(-std::min<int>(rows[0], 0) - std::min<int>(rows[1], 0));
    }
  }
  int16_t largest(int64_t row) const { return *std::max_element(of(row), of(row) + 2 * pairs_); }
  bool fit(int64_t row, int64_t other) const {
    const int16_t *a = of(row), *b = of(other);
    int16_t beyond = -1;
    for (int64_t i = 0; i < 2 * pairs_; ++i) {
      beyond = static_cast<int16_t>(beyond & (a[i] + b[i] - BytePairs::kMost - 1));
    }
    return beyond < 0;
  }

 private:
  const int16_t* of(int64_t row) const { return loads_.data() + row * 2 * pairs_; }

  int64_t pairs_;
  std::vector<int16_t> loads_;
};

}  // namespace

WordOrder matchWords(const int8_t* rows, int64_t count, int64_t lanes) {
  const Loads loads(rows, count, lanes);
  std::vector<int16_t> largest;
  for (int64_t i = 0; i < count; ++i) largest.push_back(loads.largest(i));
  // The heaviest have the least choice and choose first, the heaviest that fits.
  std::vector<uint16_t> left(static_cast<size_t>(count)), alone;
  std::iota(left.begin(), left.end(), uint16_t{0});
  std::stable_sort(left.begin(), left.end(),
                   [&](uint16_t a, uint16_t b) { return largest[a] > largest[b]; });
  WordOrder result;
  while (!left.empty()) {
    const uint16_t row = left.front();
    left.erase(left.begin());
    const auto end = left.begin() + std::min<std::ptrdiff_t>(kTries, std::ssize(left));
    const auto other =
        std::find_if(left.begin(), end, [&](uint16_t i) { return loads.fit(row, i); });
    if (other == end) {
      alone.push_back(row);
      continue;
    }
    result.order.insert(result.order.end(), {row, *other});
    left.erase(other);
  }
  result.matched = static_cast<uint16_t>(result.order.size());
  result.order.insert(result.order.end(), alone.begin(), alone.end());
  return result;
}

}  // namespace layerwise::cpu
