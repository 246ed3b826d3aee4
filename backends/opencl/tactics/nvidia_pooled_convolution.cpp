#include <algorithm>

#include "backends/opencl/nvidia/conv_strip.h"
#include "backends/opencl/tactic_registry.h"
#include "backends/shared/fused_region.h"
#include "backends/shared/node_info.h"

namespace layerwise {
namespace opencl {
namespace {

/// A picture's first convolution, an activation and the maximum over windows of it, of which only
/// the maxima reach memory.
class NvidiaPooledConvolution final : public Tactic {
 public:
  NvidiaPooledConvolution(const Device& device, ConvMath math)
      : device_(device), math_(math), type_(convType(math)) {}

  std::string_view name() const override {
    return math_ == ConvMath::kHalf ? "conv_pool_f16_wgmma" : "conv_pool_tf32_wgmma";
  }

  void match(const MatchContext& context, NodeId id,
             std::vector<Candidate>& candidates) const override {
    const Graph& graph = context.graph;
    const Node& node = graph.node(id);
    const auto* convolution = node.as<Convolution>();
    if (!convolution || (math_ == ConvMath::kTf32 && !graph.numerics.tf32)) return;
    const TensorInfo& in = context.shapes.values[static_cast<std::size_t>(node.inputs[0])];
    if (in.type != DataType::kFloat32) return;
    for (FusedNodes& region : fusedNodes(context, id, [](const Activation&) { return true; })) {
      const NodeId last = onlyConsumer(graph, region.output);
      const auto* pooling = last == kNone ? nullptr : graph.node(last).as<Pooling>();
      if (!pooling || region.residual != kNone) continue;
      const std::optional<PooledConv> problem = pooledConv(math_, *convolution, *pooling, in.dims);
      if (!problem) continue;
      region.nodes.push_back(last);
      if (math_ == ConvMath::kHalf &&
          !std::all_of(region.nodes.begin(), region.nodes.end(),
                       [&](NodeId n) { return graph.computeType(n) == DataType::kFloat16; }))
        continue;
      addCandidates(*problem, region.nodes, node.inputs[0], graph.node(last).outputs[0],
                    candidates);
    }
  }

  std::shared_ptr<const void> pack(const Graph& graph, const Candidate& candidate) const override {
    const Node& node = graph.node(candidate.nodes.front());
    std::vector<float> bias;
    if (node.weights.size() > 1) bias = floatWeights(node.weights[1]);
    return uploadStripConv(device_, math_,
                           convWeightProblem(*node.as<Convolution>(), node.weights[0].count),
                           floatWeights(node.weights[0]), bias);
  }

  std::unique_ptr<Step> bind(const BindContext& c) const override {
    if (c.outputs[0].dims.volume() == 0) return std::make_unique<ClStep>();
    const std::vector<NodeId>& nodes = c.candidate.nodes;
    StripBinding b;
    b.cut = StripCut::parse(c.candidate.parameters);
    b.problem = *pooledConv(math_, *c.graph.node(nodes.front()).as<Convolution>(),
                            *c.graph.node(nodes.back()).as<Pooling>(), c.inputs[0].dims);
    b.in = convTensor(c.inputs[0]), b.out = convTensor(c.outputs[0]);
    if (nodes.size() > 2) b.activation = c.graph.node(nodes[1]).as<Activation>();
    return bindStripConv(device_, b, *static_cast<const PackedConv*>(c.packed.get()));
  }

 private:
  void addCandidates(const PooledConv& p, const std::vector<NodeId>& nodes, ValueId input,
                     ValueId output, std::vector<Candidate>& candidates) const {
    const double in =
        static_cast<double>(p.conv.images * p.conv.inChannels * p.conv.inHeight * p.conv.inWidth);
    const double out = static_cast<double>(p.conv.images * p.conv.outChannels * p.height * p.width);
    for (const auto& [cut, seconds] : stripCutsToTry(device_, p))
      for (const Layout& from :
           {Layout::channelsLast(type_, 4), Layout::linear(DataType::kFloat32)}) {
        Candidate c;
        c.tactic = this;
        c.nodes = nodes;
        c.inputs = {input};
        c.outputs = {output};
        c.inputLayouts = {from};
        c.outputLayouts = {Layout::channelsLast(type_, 4)};
        c.parameters = cut.text();
        c.flops = 2 * static_cast<double>(p.conv.pixels() * p.conv.outChannels * p.conv.depth());
        c.bytes =
            in * static_cast<double>(sizeOf(from.type)) + static_cast<double>(sizeOf(type_)) * out;
        c.seconds = seconds;
        candidates.push_back(std::move(c));
      }
  }

  const Device& device_;
  ConvMath math_;
  DataType type_;
};

}  // namespace
}  // namespace opencl

void registerTactic_nvidia_pooled_convolution(opencl::TacticRegistry& registry) {
  using namespace opencl;
  for (ConvMath math : {ConvMath::kHalf, ConvMath::kTf32})
    if (stripConvWorks(registry.device(), math))
      registry.add(std::make_unique<NvidiaPooledConvolution>(registry.device(), math));
}

}  // namespace layerwise
