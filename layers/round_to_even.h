#pragma once

namespace layerwise {

/// The nearest whole number, ties to even, of a float below 2^22: what is left after adding a
/// number whose last place is 1. In plain arithmetic, so that compilers vectorise it for any
/// machine.
inline float roundToEven(float x) {
  constexpr float kLastPlaceIsOne = 0x1.8p23f;
  return (x + kLastPlaceIsOne) - kLastPlaceIsOne;
}

}  // namespace layerwise
