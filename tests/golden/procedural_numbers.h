#pragma once

#include <cstdint>

namespace layerwise {

/// Reproducible bytes for golden values: the high byte of a linear congruential generator.
class ProceduralBytes {
 public:
  explicit ProceduralBytes(std::uint32_t seed) : state_(seed) {}
  int next() {
    state_ = state_ * 1664525u + 1013904223u;
    return static_cast<int>(state_ >> 24);
  }

 private:
  std::uint32_t state_;
};

}  // namespace layerwise
