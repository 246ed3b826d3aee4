#include "backends/opencl/nvidia/conv_step.h"
#include "backends/opencl/tactic_registry.h"
#include "backends/shared/folded_quantization.h"
#include "backends/shared/fused_region.h"

namespace layerwise {
namespace opencl {
namespace {

/// Whether a node makes uint8 with one scale and one zero point.
bool isQuantizer(const Node& node) {
  const auto* quantize = node.as<Quantize>();
  return quantize && quantize->to == DataType::kUInt8 && node.weights[0].count == 1 &&
         node.weights[1].count <= 1;
}

/// A quantised convolution as an implicit GEMM on tensor cores: exact sums of bytes. A network's
/// picture may be quantised on its way.
class NvidiaQuantized final : public Tactic {
 public:
  NvidiaQuantized(const Device& device, ConvUnit unit)
      : device_(device), family_{ConvMath::kBytes, unit}, name_(convName(family_)) {}

  std::string_view name() const override { return name_; }

  void match(const MatchContext& context, NodeId id,
             std::vector<Candidate>& candidates) const override {
    const Graph& graph = context.graph;
    const bool quantizes = isQuantizer(graph.node(id));
    const NodeId convolution = quantizes ? onlyConsumer(graph, graph.node(id).outputs[0]) : id;
    if (convolution == kNone || !graph.node(convolution).as<QuantizedConvolution>()) return;
    const Node& node = graph.node(convolution);
    auto info = [&](ValueId value) -> const TensorInfo& {
      return context.shapes.values[static_cast<std::size_t>(value)];
    };
    const auto problem =
        convProblem(node.as<QuantizedConvolution>()->convolution, info(node.inputs[0]).dims);
    if (!problem || problem->pixels() == 0 || problem->inChannels == 0 || problem->outChannels == 0)
      return;
    Candidate c;
    c.tactic = this;
    c.nodes = {id};
    c.inputs = node.inputs;
    c.outputs = node.outputs;
    if (quantizes) {
      // Only where the input is brought into chunks anyway.
      if (!readsPlanes(*problem) || graph.node(id).outputs[0] != node.inputs[0] ||
          info(graph.node(id).inputs[0]).type != DataType::kFloat32)
        return;
      c.nodes.push_back(convolution);
      c.inputs[0] = graph.node(id).inputs[0];
    }
    c.flops = 2 * static_cast<double>(problem->pixels() * problem->outChannels) *
              static_cast<double>(problem->depth());
    c.bytes = static_cast<double>(node.weights[0].count);
    for (const std::vector<ValueId>& values : {c.inputs, c.outputs})
      for (ValueId value : values)
        c.bytes += static_cast<double>(info(value).dims.volume()) *
                   static_cast<double>(sizeOf(info(value).type));
    auto last = [&](ValueId value) {
      return Layout::channelsLast(info(value).type, info(value).dims.rank());
    };
    for (ValueId value : c.inputs) c.inputLayouts.push_back(last(value));
    c.outputLayouts = {last(c.outputs[0])};
    // Pixels by themselves lie alike in both layouts.
    const bool single = problem->inHeight * problem->inWidth == 1;
    for (const auto& [cut, seconds] : convCutsToTry(device_, family_, *problem)) {
      c.parameters = cut.text();
      c.seconds = seconds + convGatherSeconds(*problem, family_);
      if (!quantizes) candidates.push_back(c);
      if (!single && !readsPlanes(*problem)) continue;
      candidates.push_back(c);
      candidates.back().inputLayouts[0] = Layout::linear(info(c.inputs[0]).type);
    }
  }

  std::shared_ptr<const void> pack(const Graph& graph, const Candidate& candidate) const override {
    const Node& node = graph.node(candidate.nodes.back());
    return uploadQuantizedConv(
        device_, ConvCut::parse(family_, candidate.parameters).tile,
        convWeightProblem(node.as<QuantizedConvolution>()->convolution, node.weights[0].count),
        floatWeights(node.weights[0]), foldedQuantization(node));
  }

  std::unique_ptr<Step> bind(const BindContext& c) const override {
    if (c.outputs[0].dims.volume() == 0) return std::make_unique<ClStep>();
    const auto& packed = *static_cast<const PackedConv*>(c.packed.get());
    const QuantizedConvolution& a = packed.layer;
    ConvBinding b;
    b.cut = ConvCut::parse(family_, c.candidate.parameters);
    b.problem = *convProblem(a.convolution, c.inputs[0].dims);
    b.in = convTensor(c.inputs[0]), b.out = convTensor(c.outputs[0]);
    if (a.residual != ResidualOrder::kNoResidual) {
      b.residual = convTensor(c.inputs[1]);
      b.residualPlace = a.residual == ResidualOrder::kBeforeActivation ? 1 : 2;
    }
    if (a.activated) b.activation = &a.activation;
    if (const Node& first = c.graph.node(c.candidate.nodes[0]); first.as<Quantize>()) {
      const std::vector<float> zeros = floatWeights(first.weights[1]);
      b.inverse = 1 / floatWeights(first.weights[0])[0];
      b.zero = zeros.empty() ? 0 : zeros[0];
    }
    return bindNvidiaConv(device_, b, packed);
  }

 private:
  const Device& device_;
  ConvFamily family_;
  std::string name_;
};

}  // namespace
}  // namespace opencl

void registerTactic_nvidia_quantized(opencl::TacticRegistry& registry) {
  using namespace opencl;
  for (ConvUnit unit : {ConvUnit::kWarp, ConvUnit::kWarpgroup, ConvUnit::kPatch})
    if (nvidiaConvWorks(registry.device(), {ConvMath::kBytes, unit}))
      registry.add(std::make_unique<NvidiaQuantized>(registry.device(), unit));
}

}  // namespace layerwise
