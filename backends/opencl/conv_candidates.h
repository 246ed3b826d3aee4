#pragma once

#include <string>
#include <vector>

#include "backends/opencl/cost.h"
#include "backends/shared/fused_region.h"
#include "engine/tactic.h"

namespace layerwise::opencl {

/// Whether values around a node may be kept in float16.
inline bool mayUseHalf(const MatchContext& context, NodeId id) {
  return context.graph.computeType(id) == DataType::kFloat16;
}

/// What float32 values around a node may be kept in.
inline std::vector<DataType> floatTypes(const MatchContext& context, NodeId id) {
  std::vector<DataType> types{DataType::kFloat32};
  if (mayUseHalf(context, id)) types.push_back(DataType::kFloat16);
  return types;
}

/// Adds candidates of a convolution-like node alone and with what follows it: input and output each
/// linear or channels-last, in float32 and, where the node may, float16. `seconds` is for
/// channels-last float32; other layouts are taken to be a little slower, float16 faster by what
/// memory it saves.
void addConvCandidates(const Tactic& tactic, const MatchContext& context, NodeId id,
                       const std::string& parameters, double flops, double seconds,
                       const CostModel& cost, std::vector<Candidate>& candidates);

}  // namespace layerwise::opencl
