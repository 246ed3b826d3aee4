#include "backends/shared/single_node_candidates.h"

#include <algorithm>

namespace layerwise {

std::vector<Candidate> singleNodeCandidates(const Tactic& tactic, NodeId node, const NodeInfo& info,
                                            double flops, bool channelsLast, int inputs) {
  Candidate candidate;
  candidate.tactic = &tactic;
  candidate.nodes = {node};
  candidate.outputs = info.node.outputs;
  candidate.flops = flops;
  auto count = std::min(info.inputs.size(), static_cast<std::size_t>(inputs));
  candidate.inputs.assign(info.node.inputs.begin(),
                          info.node.inputs.begin() + static_cast<std::ptrdiff_t>(count));
  std::vector<Layout> inputsLast, outputsLast;
  bool some = false;
  auto addLayouts = [&](const TensorInfo& tensor, std::vector<Layout>& linear,
                        std::vector<Layout>& last) {
    DataType type = memoryType(tensor.type);
    // An operand of another rank broadcasts: its axis 1 is not the channels.
    int rank = tensor.dims.rank();
    bool spatial = rank >= 3 && rank <= 5 && rank == info.outputs[0].dims.rank();
    some = some || spatial;
    linear.push_back(Layout::linear(type));
    last.push_back(spatial ? Layout::channelsLast(type, rank) : Layout::linear(type));
    candidate.bytes +=
        static_cast<double>(tensor.dims.volume()) * static_cast<double>(sizeOf(type));
  };
  for (std::size_t i = 0; i < count; ++i)
    addLayouts(info.inputs[i], candidate.inputLayouts, inputsLast);
  for (const TensorInfo& output : info.outputs)
    addLayouts(output, candidate.outputLayouts, outputsLast);
  for (const ConstantData& weights : info.node.weights)
    candidate.bytes += static_cast<double>(weights.count) * sizeof(float);
  std::vector<Candidate> candidates{candidate};
  if (!channelsLast || !some) return candidates;
  candidate.inputLayouts = std::move(inputsLast);
  candidate.outputLayouts = std::move(outputsLast);
  candidates.push_back(std::move(candidate));
  return candidates;
}

}  // namespace layerwise
