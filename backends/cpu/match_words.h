#pragma once

#include <cstdint>
#include <vector>

namespace layerwise::cpu {

/// The order in which words of four weights are multiplied.
struct WordOrder {
  std::vector<uint16_t> order;
  uint16_t matched = 0;  ///< so many to begin with are matched: the first and second, and so on
};

/// Of two words that match, vpmaddubsw's sums of two products, which fit 16 bits each, still fit
/// when they are added to each other, whatever the activations are. `rows` holds `lanes` words of
/// four bytes a row, a multiple of 4; rows match where all of their words do. Pairs must fit.
WordOrder matchWords(const int8_t* rows, int64_t count, int64_t lanes);

}  // namespace layerwise::cpu
