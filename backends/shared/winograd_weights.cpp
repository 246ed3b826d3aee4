#include "backends/shared/winograd_weights.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "backends/shared/winograd_matrices.h"

namespace layerwise {
namespace {

// So many output channels are transformed at a time: loops of a fixed length become vectors.
constexpr std::int64_t kTogether = 16;
using Lanes = std::array<double, kTogether>;

// The weights' transform G of a column or a row of three: pairs of points +-p share their even and
// odd parts.
template <int points>
void transformThree(const Lanes& g0, const Lanes& g1, const Lanes& g2, Lanes* out,
                    std::int64_t step) {
  constexpr auto& matrix = winogradWeights<points>;
  for (int pair = 1; pair + 1 < points - 1; pair += 2) {
    const double(&row)[3] = matrix[pair];
    Lanes &plus = out[pair * step], &minus = out[(pair + 1) * step];
    for (std::size_t o = 0; o < kTogether; ++o) {
      const double even = row[0] * g0[o] + row[2] * g2[o], odd = row[1] * g1[o];
      plus[o] = even + odd;
      minus[o] = even - odd;
    }
  }
  out[0] = g0;
  out[(points - 1) * step] = g2;
}

template <int points>
void transformSome(const float* g, std::int64_t channelStep, std::int64_t channels, float* to,
                   std::int64_t step) {
  Lanes given[9], half[3 * points], whole[points * points];
  for (int k = 0; k < 9; ++k) {
    for (std::int64_t o = 0; o < kTogether; ++o)
      given[k][static_cast<std::size_t>(o)] = o < channels ? g[o * channelStep + k] : 0;
  }
  for (int x = 0; x < 3; ++x)
    transformThree<points>(given[x], given[3 + x], given[6 + x], half + x, 3);
  for (int y = 0; y < points; ++y)
    transformThree<points>(half[3 * y], half[3 * y + 1], half[3 * y + 2], whole + y * points, 1);
  for (int e = 0; e < points * points; ++e) {
    for (std::int64_t o = 0; o < channels; ++o)
      to[e * step + o] = static_cast<float>(whole[e][static_cast<std::size_t>(o)]);
  }
}

}  // namespace

void transformWinogradWeights(std::int64_t points, const float* g, std::int64_t channelStep,
                              std::int64_t channels, float* to, std::int64_t step) {
  auto transform = points == 4 ? transformSome<4> : transformSome<6>;
  for (std::int64_t o = 0; o < channels; o += kTogether)
    transform(g + o * channelStep, channelStep, std::min(kTogether, channels - o), to + o, step);
}

}  // namespace layerwise
