#include "backends/opencl/conv_candidates.h"

#include <algorithm>

#include "backends/shared/node_info.h"

namespace layerwise::opencl {
namespace {

// A layout that a kernel reads or writes with less neighbours together.
constexpr double kLinearFactor = 1.1;

bool takesAny(const Activation&) {
  return true;
}

double elements(const MatchContext& context, const std::vector<ValueId>& values) {
  double sum = 0;
  for (ValueId id : values)
    sum += static_cast<double>(context.shapes.values[static_cast<std::size_t>(id)].dims.volume());
  return sum;
}

}  // namespace

void addConvCandidates(const Tactic& tactic, const MatchContext& context, NodeId id,
                       const std::string& parameters, double flops, double seconds,
                       const CostModel& cost, std::vector<Candidate>& candidates) {
  const Node& node = context.graph.node(id);
  int rank = context.shapes.values[static_cast<std::size_t>(node.inputs[0])].dims.rank();
  double weightBytes = 0;
  for (const ConstantData& weights : node.weights)
    weightBytes += static_cast<double>(weights.count) * sizeof(float);
  for (const FusedNodes& region : fusedNodes(context, id, takesAny)) {
    Candidate c;
    c.tactic = &tactic;
    c.nodes = region.nodes;
    c.inputs = {node.inputs[0]};
    c.outputs = {region.output};
    if (region.residual != kNone) c.inputs.push_back(region.residual);
    c.parameters = parameters;
    c.flops = flops;
    double moved = elements(context, c.inputs) + elements(context, c.outputs);
    for (DataType type : floatTypes(context, id)) {
      Layout linear = Layout::linear(type), last = Layout::channelsLast(type, rank);
      c.bytes = weightBytes + moved * static_cast<double>(sizeOf(type));
      for (const Layout& from : {last, linear})
        for (const Layout& to : {last, linear}) {
          c.inputLayouts.assign(c.inputs.size(), to);  // the residual lies as the output does
          c.inputLayouts[0] = from;
          c.outputLayouts = {to};
          double factor = (from == last ? 1 : kLinearFactor) * (to == last ? 1 : kLinearFactor);
          c.seconds =
              cost.launchSeconds + std::max(seconds, c.bytes / cost.bytesPerSecond) * factor;
          candidates.push_back(c);
        }
    }
  }
}

}  // namespace layerwise::opencl
