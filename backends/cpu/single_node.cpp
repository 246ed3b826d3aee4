#include "backends/cpu/single_node.h"

namespace layerwise::cpu {
namespace {

// What plain code does a second on one core, roughly.
constexpr double kFlopsPerSecond = 2e9;
constexpr double kBytesPerSecond = 5e9;
constexpr double kStepSeconds = 3e-6;

}  // namespace

void addSingleNodeCandidates(const Tactic& tactic, const MatchContext& context, NodeId node,
                             const NodeInfo& info, double flops, bool channelsLast, int inputs,
                             std::vector<Candidate>& candidates) {
  for (Candidate& candidate :
       singleNodeCandidates(tactic, node, info, flops, channelsLast, inputs)) {
    candidate.seconds = kStepSeconds + std::max(flops / (kFlopsPerSecond * context.workers),
                                                candidate.bytes / kBytesPerSecond);
    candidates.push_back(std::move(candidate));
  }
}

void addMovingCandidate(const Tactic& tactic, const MatchContext& context, NodeId node,
                        const NodeInfo& info, DataType floatType, int inputs,
                        std::vector<Candidate>& candidates) {
  std::vector<Candidate> plain;
  addSingleNodeCandidates(tactic, context, node, info, 0, true, inputs, plain);
  if (plain.size() < 2) return;
  Candidate& candidate = plain.back();
  for (auto* layouts : {&candidate.inputLayouts, &candidate.outputLayouts})
    for (Layout& layout : *layouts)
      if (layout.type == DataType::kFloat32) layout.type = floatType;
  double share = static_cast<double>(sizeOf(floatType)) / sizeof(float);
  candidate.bytes *= share;
  candidate.seconds = kStepSeconds + (candidate.seconds - kStepSeconds) * share;
  candidates.push_back(std::move(candidate));
}

}  // namespace layerwise::cpu
