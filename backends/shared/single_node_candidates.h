#pragma once

#include <vector>

#include "backends/shared/node_info.h"
#include "engine/tactic.h"

namespace layerwise {

/// How many of the node's inputs the step reads; the others are shape tensors.
inline constexpr int kAllInputs = 1 << 20;

/// The ways in which `tactic` may run one node by itself: with linear layouts, and with
/// channels-last ones where `channelsLast` says so and some tensor has 3 to 5 axes. Their seconds
/// are for the device to fill in.
std::vector<Candidate> singleNodeCandidates(const Tactic& tactic, NodeId node, const NodeInfo& info,
                                            double flops, bool channelsLast, int inputs);

}  // namespace layerwise
