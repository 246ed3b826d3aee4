#include <algorithm>

#include "backends/cpu/conv_geometry.h"
#include "backends/cpu/matmul.h"

namespace layerwise::cpu {

MatMulPlan bindMatMul(const MatMulPlan& plan, int width, int registers, int threads) {
  MatMulPlan p = plan;
  p.vectors =
      static_cast<int>(std::clamp<int64_t>(divideUp(p.n, width), 1, registers == 32 ? 3 : 2));
  p.pixels = maxPixels(registers, p.vectors);
  const int64_t lanes = p.vectors * width;
  p.blocks = divideUp(p.n, lanes);
  // Every strip of rows packs its columns of b again: worth it only where many rows share them.
  constexpr int64_t kTilesPerThread = 4, kLeastRows = 64;
  const int64_t wanted = threads > 1 ? kTilesPerThread * threads : 1;
  const int64_t strips = std::clamp<int64_t>(divideUp(wanted, p.batch * p.blocks), 1,
                                             std::max<int64_t>(1, p.m / kLeastRows));
  p.strip = divideUp(p.m, strips);
  p.strips = divideUp(p.m, p.strip);
  p.tiles = p.batch * p.blocks * p.strips;
  p.scratchFloats = p.k * lanes + 16;
  return p;
}

}  // namespace layerwise::cpu
