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
                             double flops, bool channelsLast, int inputs,
                             std::vector<Candidate>& candidates) {
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
  const CostModel cost(device.info());
  candidate.seconds = cost.seconds(flops, candidate.bytes, 0.02);
  // What has no input is a constant, which lies on the device in float32.
  const bool half = count > 0 && mayUseHalf(context, node);
  auto add = [&](const Candidate& made) {
    candidates.push_back(made);
    if (half) candidates.push_back(inHalf(made, cost));
  };
  add(candidate);
  if (!channelsLast || !some) return;
  candidate.inputLayouts = std::move(inputsLast);
  candidate.outputLayouts = std::move(outputsLast);
  add(candidate);
}

}  // namespace layerwise::opencl
