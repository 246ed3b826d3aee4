#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backends/opencl/cost.h"
#include "backends/opencl/tactic_registry.h"
#include "backends/shared/node_info.h"
#include "backends/shared/single_node_candidates.h"

namespace layerwise::opencl {

/// Adds singleNodeCandidates() with what they cost here, at least so many seconds; where `half`
/// says so and the engine allows it, the same in float16.
void addSingleNodeCandidates(const Device& device, const Tactic& tactic,
                             const MatchContext& context, NodeId node, const NodeInfo& info,
                             double flops, bool channelsLast, int inputs, bool half,
                             std::vector<Candidate>& candidates, double leastSeconds = 0);

/// What a portable tactic for layers of one kind consists of.
template <class A>
struct PortableDefinition {
  bool (*takes)(const A&, const NodeInfo&) = [](const A&, const NodeInfo& info) {
    return allFloat(info);
  };
  double flopsPerOutput = 1;
  double (*flops)(const A&, const NodeInfo&) = nullptr;  ///< overrides flopsPerOutput
  bool channelsLast = false;
  int inputs = kAllInputs;
  bool oneByOne = false;  ///< a work item's operations wait for each other's operands
  bool half = true;       ///< also with float32 tensors kept in float16, where the engine allows it
  std::shared_ptr<const void> (*pack)(const A&, const Node&, const Device&) = nullptr;
  std::unique_ptr<Step> (*bind)(const A&, const BindContext&, const Device&) = nullptr;
};

/// What a GPU takes for an operation that waits for its operands, at least: an H200 took 38 ns.
constexpr double kOperationSeconds = 2e-8;

/// OpenCL C 1.2 for one layer: "cl_<kind>". It is there for every layer and every device.
template <class A>
class PortableTactic final : public Tactic {
 public:
  PortableTactic(const Device& device, PortableDefinition<A> definition)
      : device_(device), name_("cl_" + std::string(A::kKind)), definition_(definition) {}

  std::string_view name() const override { return name_; }

  void match(const MatchContext& context, NodeId id,
             std::vector<Candidate>& candidates) const override {
    const A* attributes = context.graph.node(id).as<A>();
    if (!attributes) return;
    NodeInfo info(context.graph, context.shapes, id);
    if (!definition_.takes(*attributes, info)) return;
    double outputs = 0;
    for (const TensorInfo& output : info.outputs)
      outputs += static_cast<double>(output.dims.volume());
    double flops = definition_.flops ? definition_.flops(*attributes, info)
                                     : definition_.flopsPerOutput * outputs;
    addSingleNodeCandidates(device_, *this, context, id, info, flops, definition_.channelsLast,
                            definition_.inputs, definition_.half, candidates,
                            definition_.oneByOne && !device_.info().isCpu && outputs > 0
                                ? kOperationSeconds * flops / outputs
                                : 0);
  }

  std::shared_ptr<const void> pack(const Graph& graph, const Candidate& candidate) const override {
    const Node& node = graph.node(candidate.nodes[0]);
    return definition_.pack ? definition_.pack(*node.as<A>(), node, device_) : nullptr;
  }

  std::unique_ptr<Step> bind(const BindContext& context) const override {
    return definition_.bind(*context.graph.node(context.candidate.nodes[0]).template as<A>(),
                            context, device_);
  }

 private:
  const Device& device_;
  std::string name_;
  PortableDefinition<A> definition_;
};

template <class A>
void addPortable(TacticRegistry& registry, PortableDefinition<A> definition) {
  registry.add(std::make_unique<PortableTactic<A>>(registry.device(), definition));
}

/// An axis counted from the end where negative.
inline int axisOf(std::int64_t axis, int rank) {
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

}  // namespace layerwise::opencl
