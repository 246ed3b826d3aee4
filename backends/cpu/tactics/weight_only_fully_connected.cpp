// Fully connected layers of bfloat16 engines whose weights are kept in bytes (weight_only.h): few
// rows of the input wait for nothing but weights.
#include <fmt/format.h>

#include <algorithm>

#include "backends/cpu/fully_connected_rows.h"
#include "backends/cpu/fused_region.h"
#include "backends/cpu/kernel_table.h"
#include "backends/cpu/single_node.h"
#include "backends/cpu/weight_memory.h"
#include "backends/cpu/weight_only.h"

namespace layerwise {
namespace cpu {
namespace {

/// The input's rows up to which the weights are most of what there is to wait for.
constexpr std::int64_t kMostRows = 16;

struct PackedPanels {
  WeightMemory memory;
  ConstantData bias;
  const std::uint8_t* data() const { return reinterpret_cast<const std::uint8_t*>(memory.data()); }
};

class WeightOnlyTactic final : public Tactic {
 public:
  WeightOnlyTactic()
      : kernels_(weightOnlyKernels(selectedIsa())),
        name_(fmt::format("fully_connected_bf16_w8_{}", isaName(selectedIsa()))) {}
  std::string_view name() const override { return name_; }

  void match(const MatchContext& context, NodeId id,
             std::vector<Candidate>& candidates) const override {
    const Node& node = context.graph.node(id);
    const FullyConnected* a = node.as<FullyConnected>();
    if (!a || context.graph.computeType(id) != DataType::kBFloat16 ||
        !context.graph.numerics.weightOnly)
      return;
    const TensorInfo& in = context.shapes.values[static_cast<std::size_t>(node.inputs[0])];
    if (in.type != DataType::kFloat32 || in.dims.volume() == 0) return;
    const std::int64_t count = node.weights[0].count, depth = count / a->outputs,
                       rows = in.dims.volume() / depth;
    if (count < WeightOnly::kLeastWeights || rows > kMostRows) return;
    if (context.looksAtWeights &&
        !kernels_.fits(floatData(node.weights[0]).as<float>(), depth, a->outputs))
      return;
    Candidate c;
    c.tactic = this;
    c.flops = 2 * static_cast<double>(rows * count);
    c.bytes = static_cast<double>(bytesOf(depth, a->outputs)) +
              4 * static_cast<double>(rows * (depth + a->outputs));
    // As many conversions of weights as products of two rows.
    const int width = kernels(selectedIsa()).width;
    const double products = static_cast<double>((rows + 2) * count);
    const double compute = products / (4e9 * width * context.workers);
    c.seconds = std::max(compute, c.bytes / 15e9) + 3e-6;
    for (const FusedRegion& region : fusedRegions(context, id)) {
      c.nodes = region.nodes;
      c.inputs = {node.inputs[0]};
      if (region.residual != kNone) c.inputs.push_back(region.residual);
      c.outputs = {region.output};
      c.inputLayouts.assign(c.inputs.size(), Layout::linear(in.type));
      c.outputLayouts = {Layout::linear(in.type)};
      candidates.push_back(c);
    }
  }

  std::shared_ptr<const void> pack(const Graph& graph, const Candidate& candidate) const override {
    const Node& node = graph.node(candidate.nodes.front());
    const std::int64_t outputs = node.as<FullyConnected>()->outputs,
                       depth = node.weights[0].count / outputs;
    const ConstantData weights = floatData(node.weights[0]);
    auto packed = std::make_shared<PackedPanels>();
    packed->bias = floatData(node.weights[1]);
    packed->memory = WeightMemory(static_cast<std::size_t>(bytesOf(depth, outputs)));
    auto* panel = reinterpret_cast<std::uint8_t*>(packed->memory.data());
    for (std::int64_t o = 0; o < outputs; o += WeightOnly::kPanelOutputs) {
      kernels_.pack(weights.as<float>() + o * depth, depth,
                    std::min(WeightOnly::kPanelOutputs, outputs - o), panel);
      panel += WeightOnly::panelBytes(depth);
    }
    return packed;
  }

  std::unique_ptr<Step> bind(const BindContext& context) const override {
    const Node& node = context.graph.node(context.candidate.nodes.front());
    const FullyConnectedTensors tensors(context, *node.as<FullyConnected>());
    const FullyConnectedPlan plan = tensors.plan();
    auto packed = std::static_pointer_cast<const PackedPanels>(context.packed);
    auto kernel = kernels_.run;
    auto work = [=](std::int64_t tile, const Worker& worker) {
      const std::int64_t first = tile * WeightOnly::kPanelOutputs;
      const std::uint8_t* panel = packed->data() + tile * WeightOnly::panelBytes(plan.depth);
      const float* bias = packed->bias.count ? packed->bias.as<float>() + first : nullptr;
      for (std::int64_t row = 0; row < plan.rows;) {
        const FullyConnectedRows rows = tensors.take(worker, row, plan.rows, first);
        kernel(plan, panel, bias, std::min(WeightOnly::kPanelOutputs, plan.outputs - first), rows);
      }
    };
    return makeStep(plan.rows == 0 ? 0 : WeightOnly::panels(plan.outputs), work,
                    tensors.scratchBytes());
  }

 private:
  static std::int64_t bytesOf(std::int64_t depth, std::int64_t outputs) {
    return WeightOnly::panels(outputs) * WeightOnly::panelBytes(depth);
  }

  const WeightOnlyKernels& kernels_;
  std::string name_;
};

}  // namespace
}  // namespace cpu

void registerTactic_weight_only_fully_connected(cpu::TacticRegistry& registry) {
  registry.add(std::make_unique<cpu::WeightOnlyTactic>());
}

}  // namespace layerwise
