#include "backends/opencl/single_node.h"

#include <algorithm>

#include "backends/opencl/conv_candidates.h"

namespace layerwise::opencl {
namespace {

/// The same with float16 in the place of float32 in memory.
Candidate inHalf(Candidate candidate, const CostModel& cost) {
  for (auto* layouts : {&candidate.inputLayouts, &candidate.outputLayouts})
    for (Layout& layout : *layouts)
      if (layout.type == DataType::kFloat32) layout.type = DataType::kFloat16;
  candidate.seconds -= candidate.bytes / 2 / cost.bytesPerSecond;
  candidate.seconds = std::max(candidate.seconds, cost.launchSeconds);
  candidate.bytes /= 2;
  return candidate;
}

}  // namespace

void addSingleNodeCandidates(const Device& device, const Tactic& tactic,
                             const MatchContext& context, NodeId node, const NodeInfo& info,
                             double flops, bool channelsLast, int inputs, bool half,
                             std::vector<Candidate>& candidates, double leastSeconds) {
  const CostModel cost(device.info());
  half = half && mayUseHalf(context, node);
  for (Candidate& candidate :
       singleNodeCandidates(tactic, node, info, flops, channelsLast, inputs)) {
    candidate.seconds = std::max(leastSeconds, cost.seconds(flops, candidate.bytes, 0.02));
    candidates.push_back(candidate);
    if (half) candidates.push_back(inHalf(candidate, cost));
  }
}

}  // namespace layerwise::opencl
