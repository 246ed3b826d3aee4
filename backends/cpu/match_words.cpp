#include "backends/cpu/match_words.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "layers/byte_pairs.h"

namespace layerwise::cpu {
namespace {

// What is tried for a row before it stays alone.
constexpr int kTries = 64;

constexpr int64_t kVectorBytes = 16;
typedef uint8_t Bytes __attribute__((vector_size(kVectorBytes)));
typedef int16_t Shorts __attribute__((vector_size(kVectorBytes)));

// Of each pair of weights, what it may add and what it may take away: 128 at most, a byte each in
// the place of the pair.
class Loads {
 public:
  Loads(const int8_t* rows, int64_t count, int64_t lanes)
      : rowBytes_(4 * lanes), loads_(static_cast<size_t>(count * rowBytes_)) {
    for (int64_t i = 0; i < count * rowBytes_; i += kVectorBytes) {
      Shorts pairs;
      std::memcpy(&pairs, rows + i, sizeof pairs);
      const Shorts even = (pairs << 8) >> 8, odd = pairs >> 8;
      const Shorts most = (even & (even > 0)) + (odd & (odd > 0));
      const Shorts least = (even & (even < 0)) + (odd & (odd < 0));
      const Shorts both = most | (-least << 8);
      std::memcpy(loads_.data() + i, &both, sizeof both);
    }
  }
  uint8_t largest(int64_t row) const {
    Bytes largest = {};
    for (int64_t i = 0; i < rowBytes_; i += kVectorBytes) {
      const Bytes loads = at(row, i);
      largest = loads > largest ? loads : largest;
    }
    uint8_t all = 0;
    for (int64_t i = 0; i < kVectorBytes; ++i) all = std::max<uint8_t>(all, largest[i]);
    return all;
  }
  bool fit(int64_t row, int64_t other) const {
    Bytes beyond = {};
    for (int64_t i = 0; i < rowBytes_; i += kVectorBytes) {
      beyond |= reinterpret_cast<Bytes>(at(row, i) > BytePairs::kMost - at(other, i));
    }
    uint64_t halves[2];
    std::memcpy(halves, &beyond, sizeof halves);
    return !(halves[0] | halves[1]);
  }

 private:
  Bytes at(int64_t row, int64_t byte) const {
    Bytes loads;
    std::memcpy(&loads, loads_.data() + row * rowBytes_ + byte, sizeof loads);
    return loads;
  }

  int64_t rowBytes_;
  std::vector<uint8_t> loads_;
};

}  // namespace

WordOrder matchWords(const int8_t* rows, int64_t count, int64_t lanes) {
  const Loads loads(rows, count, lanes);
  std::vector<uint8_t> largest;
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
