#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backends/cpu/step.h"
#include "backends/cpu/tactic_registry.h"
#include "backends/shared/node_info.h"
#include "backends/shared/single_node_candidates.h"
#include "engine/tactic.h"

namespace layerwise::cpu {

/// A step of one phase whose tiles a function runs.
class FunctionStep final : public CpuStep {
 public:
  using Run = std::function<void(std::int64_t tile, const Worker& worker)>;
  FunctionStep(std::int64_t tiles, Run run, std::size_t scratchBytes = 0)
      : tiles_(tiles), run_(std::move(run)), scratchBytes_(scratchBytes) {}
  std::int64_t tiles(int) const override { return tiles_; }
  void run(int, std::int64_t tile, const Worker& worker) const override { run_(tile, worker); }
  std::size_t scratchBytes() const override { return scratchBytes_; }

 private:
  std::int64_t tiles_;
  Run run_;
  std::size_t scratchBytes_;
};

inline std::unique_ptr<Step> makeStep(std::int64_t tiles, FunctionStep::Run run,
                                      std::size_t scratchBytes = 0) {
  return std::make_unique<FunctionStep>(tiles, std::move(run), scratchBytes);
}

using layerwise::allCommonTypes;
using layerwise::allFloat;
using layerwise::allFloatOrEightBits;
using layerwise::broadcastStrides;
using layerwise::floatData;
using layerwise::floatWeights;
using layerwise::kAllInputs;
using layerwise::memoryType;
using layerwise::NodeInfo;

/// Adds singleNodeCandidates() with what they cost here.
void addSingleNodeCandidates(const Tactic& tactic, const MatchContext& context, NodeId node,
                             const NodeInfo& info, double flops, bool channelsLast, int inputs,
                             std::vector<Candidate>& candidates);

/// The same for a tactic that moves elements of any size: one candidate with channels-last layouts
/// that keeps floating-point tensors in `floatType`.
void addMovingCandidate(const Tactic& tactic, const MatchContext& context, NodeId node,
                        const NodeInfo& info, DataType floatType, int inputs,
                        std::vector<Candidate>& candidates);

/// What a portable tactic for layers of one kind consists of.
template <class A>
struct PortableDefinition {
  bool (*takes)(const A&, const NodeInfo&) = [](const A&, const NodeInfo& info) {
    return allFloat(info);
  };
  double flopsPerOutput = 1;
  double (*flops)(const A&, const NodeInfo&) = nullptr;  ///< overrides flopsPerOutput
  bool channelsLast = false;
  bool moves = false;  ///< does nothing but move elements, whatever their size
  int inputs = kAllInputs;
  std::shared_ptr<const void> (*pack)(const A&, const Node&) = nullptr;
  std::unique_ptr<Step> (*bind)(const A&, const BindContext&) = nullptr;
};

/// Portable code for one layer: "portable_<kind>". It is there for every layer, and it is what the
/// vectorised tactics have to beat.
template <class A>
class PortableTactic final : public Tactic {
 public:
  explicit PortableTactic(PortableDefinition<A> definition)
      : name_("portable_" + std::string(A::kKind)), definition_(definition) {}

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
    addSingleNodeCandidates(*this, context, id, info, flops, definition_.channelsLast,
                            definition_.inputs, candidates);
    if (DataType type = context.graph.computeType(id);
        definition_.moves && type == DataType::kBFloat16)
      addMovingCandidate(*this, context, id, info, type, definition_.inputs, candidates);
  }

  std::shared_ptr<const void> pack(const Graph& graph, const Candidate& candidate) const override {
    const Node& node = graph.node(candidate.nodes[0]);
    return definition_.pack ? definition_.pack(*node.as<A>(), node) : nullptr;
  }

  std::unique_ptr<Step> bind(const BindContext& context) const override {
    return definition_.bind(*context.graph.node(context.candidate.nodes[0]).template as<A>(),
                            context);
  }

 private:
  std::string name_;
  PortableDefinition<A> definition_;
};

template <class A>
void addPortable(TacticRegistry& registry, PortableDefinition<A> definition) {
  registry.add(std::make_unique<PortableTactic<A>>(definition));
}

/// Calls f with a value of the type that holds `type` in memory: float, int32, int64, or uint8 for
/// bool.
template <class F>
std::unique_ptr<Step> withElementType(DataType type, F&& f) {
  switch (type) {
    case DataType::kInt32:
      return f(std::int32_t{});
    case DataType::kInt64:
      return f(std::int64_t{});
    case DataType::kInt8:
      return f(std::int8_t{});
    case DataType::kUInt8:
    case DataType::kBool:
      return f(std::uint8_t{});
    default:
      return f(float{});
  }
}

}  // namespace layerwise::cpu
