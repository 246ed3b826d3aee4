#pragma once

#include "backends/shared/winograd_matrices.h"

// Internal linkage, and nothing of std::, because units of every instruction set include this.
namespace layerwise {
namespace {

// So many output channels are transformed at a time.
constexpr int kWinogradLanes = 8;
typedef double WinogradLanes __attribute__((vector_size(kWinogradLanes * sizeof(double))));

// The weights' transform G of a column or a row of three: pairs of points +-p share their even and
// odd parts.
template <int points>
inline __attribute__((always_inline)) void transformThree(const WinogradLanes& g0,
                                                          const WinogradLanes& g1,
                                                          const WinogradLanes& g2,
                                                          WinogradLanes* out, int step) {
  constexpr auto& matrix = winogradWeights<points>;
#pragma GCC unroll 4
  for (int pair = 1; pair + 1 < points - 1; pair += 2) {
    const double(&row)[3] = matrix[pair];
    const WinogradLanes even = row[0] * g0 + row[2] * g2, odd = row[1] * g1;
    out[pair * step] = even + odd;
    out[(pair + 1) * step] = even - odd;
  }
  out[0] = g0;
  out[(points - 1) * step] = g2;
}

// G g G^T of 3x3 weights g, row by row.
template <int points>
inline void transformNine(const WinogradLanes (&given)[9],
                          WinogradLanes (&whole)[points * points]) {
  WinogradLanes half[3 * points];
  for (int x = 0; x < 3; ++x)
    transformThree<points>(given[x], given[3 + x], given[6 + x], half + x, 3);
  for (int y = 0; y < points; ++y)
    transformThree<points>(half[3 * y], half[3 * y + 1], half[3 * y + 2], whole + y * points, 1);
}

}  // namespace
}  // namespace layerwise
