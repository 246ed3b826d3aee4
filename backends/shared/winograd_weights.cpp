#include "backends/shared/winograd_weights.h"

#include <algorithm>

#include "backends/shared/winograd_lanes.h"

namespace layerwise {
namespace {

template <int points>
void transformSome(const float* g, std::int64_t channelStep, std::int64_t channels, float* to,
                   std::int64_t step) {
  WinogradLanes given[9], whole[points * points];
  for (int k = 0; k < 9; ++k) {
    for (int o = 0; o < kWinogradLanes; ++o)
      given[k][o] = o < channels ? g[o * channelStep + k] : 0;
  }
  transformNine<points>(given, whole);
  for (int e = 0; e < points * points; ++e) {
    for (int o = 0; o < channels; ++o) to[e * step + o] = static_cast<float>(whole[e][o]);
  }
}

}  // namespace

void transformWinogradWeights(std::int64_t points, const float* g, std::int64_t channelStep,
                              std::int64_t channels, float* to, std::int64_t step) {
  auto transform = points == 4 ? transformSome<4> : transformSome<6>;
  for (std::int64_t o = 0; o < channels; o += kWinogradLanes) {
    transform(g + o * channelStep, channelStep,
              std::min<std::int64_t>(kWinogradLanes, channels - o), to + o, step);
  }
}

}  // namespace layerwise
