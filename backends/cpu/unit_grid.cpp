#include "backends/cpu/unit_grid.h"

#include <algorithm>

namespace layerwise::cpu {
namespace {

// At least `wanted` strips of each image, and as many for each worker, as long as there are `most`.
int64_t evenStrips(int64_t wanted, int64_t most, int64_t images, int threads) {
  const auto isEven = [&](int64_t strips) { return images * strips % threads == 0; };
  const int64_t strips = std::min(wanted, most);
  for (int64_t more = strips; more <= most && more < strips + threads; ++more)
    if (isEven(more)) return more;
  for (int64_t fewer = strips; fewer > 0 && images * fewer >= threads; --fewer)
    if (isEven(fewer)) return fewer;
  return strips;
}

}  // namespace

bool weightsDominate(int64_t weightBytes, int64_t inputBytes, const CacheSizes& caches) {
  constexpr int64_t kLinesOfWeights = 4;  // that come while one of another core's does
  return weightBytes > std::max(kLinesOfWeights * inputBytes, caches.l2 / 4);
}

UnitGrid cutIntoUnits(const UnitSizes& s) {
  UnitGrid g;
  g.images = s.images;
  g.rows = s.rows;
  g.rowGrain = s.rowGrain;
  g.blocks = s.blocks;
  g.blockGrain = s.blockGrain;
  g.byChannels = s.byChannels;
  const int64_t images = std::max<int64_t>(1, s.images);
  const int64_t wanted = s.threads > 1 ? int64_t{s.unitsPerThread} * s.threads : 1;
  const int64_t grains = std::max<int64_t>(1, divideUp(s.rows, s.rowGrain));
  const int64_t fitting =
      std::clamp<int64_t>(divideUp(s.rows, std::max<int64_t>(1, s.cacheRows)), 1, grains);
  g.strips = fitting;
  if (!s.byChannels) {
    const int64_t most =
        std::clamp<int64_t>(s.rows / std::max<int64_t>(1, s.leastRows), fitting, grains);
    g.strips = evenStrips(std::max(fitting, divideUp(wanted, images)), most, images, s.threads);
    // More units of the same rows would repeat copies.
    if (images * g.strips >= s.threads) return g;
  }
  g.chunks =
      std::clamp<int64_t>(divideUp(wanted, images * g.strips), 1, divideUp(s.blocks, s.blockGrain));
  return g;
}

}  // namespace layerwise::cpu
