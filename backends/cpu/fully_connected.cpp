#include "backends/cpu/fully_connected.h"

#include <algorithm>

#include "backends/cpu/conv_geometry.h"

namespace layerwise::cpu {

FullyConnectedPlan bindFullyConnected(const FullyConnectedPlan& plan, int threads) {
  FullyConnectedPlan p = plan;
  // Some hundred kilobytes of weights a unit: little to wait for at the end, much to stream.
  constexpr int64_t kUnitFloats = 64 * 1024, kOutputsTogether = 8, kUnitsPerThread = 4;
  const int64_t most = divideUp(p.outputs, threads > 1 ? kUnitsPerThread * threads : 1);
  p.block = std::min(most, std::max(kUnitFloats / std::max<int64_t>(p.depth, 1), kOutputsTogether));
  p.block = roundUp(std::max<int64_t>(p.block, 1), kOutputsTogether);
  p.blocks = divideUp(p.outputs, p.block);
  const int64_t wanted = threads > 1 ? kUnitsPerThread * threads : 1;
  // Every strip reads the weights again.
  const int64_t strips = std::clamp<int64_t>(divideUp(wanted, p.blocks), 1,
                                             std::max<int64_t>(1, divideUp(p.rows, kMaxRows)));
  p.strip = divideUp(std::max<int64_t>(p.rows, 1), strips);
  p.strips = divideUp(p.rows, p.strip);
  return p;
}

}  // namespace layerwise::cpu
