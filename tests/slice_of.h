#pragma once

#include <cstdint>
#include <random>

#include "backends/cpu/conv.h"

namespace layerwise::cpu {

/// h x w pixels of c channels within a wider tensor with padded rows.
inline View sliceOf(int64_t h, int64_t w, int64_t c, std::mt19937& random) {
  const auto pick = [&](int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  };
  const int64_t pixel = c + pick(1, 9), row = pixel * w + pick(0, 1) * pick(1, 20);
  return View{h * row + pick(0, 1) * 7, row, pixel, 1};
}

}  // namespace layerwise::cpu
