#pragma once

#include <cstdint>

// Winograd's minimal filtering in integers, which is exact. At the points 0, +-1, (+-2,) infinity
// the transforms of input and output are whole numbers, and those of the weights are where they
// count times 2 (24) each way. Transformed bytes and weights fit 16 bits. Their sums may wrap
// around 2^32: what comes back is the convolution times 4 (576) modulo 2^32, of which an odd
// factor has an inverse and a power of two costs as many bits.
namespace layerwise::cpu {
namespace {

template <int m>
struct WinogradIntegers;

template <>
struct WinogradIntegers<2> {
  static constexpr int kShift = 2;
  static constexpr uint32_t kInverse = 1;
  static constexpr int kWeights[4][3] = {{2, 0, 0}, {1, 1, 1}, {1, -1, 1}, {0, 0, 2}};
};

// The last row is times 6 only, so that it fits; the output's transform makes up for it.
template <>
struct WinogradIntegers<4> {
  static constexpr int kShift = 6;
  static constexpr uint32_t kInverse = 0x38e38e39;
  static constexpr int kWeights[6][3] = {{6, 0, 0}, {-4, -4, -4}, {-4, 4, -4},
                                         {1, 2, 4}, {1, -2, 4},   {0, 0, 6}};
};
static_assert(9u * WinogradIntegers<4>::kInverse == 1u);

}  // namespace
}  // namespace layerwise::cpu
