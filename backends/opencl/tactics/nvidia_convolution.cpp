#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <optional>

#include "backends/opencl/nvidia/conv.h"
#include "backends/opencl/nvidia/conv_step.h"
#include "backends/opencl/tactic_registry.h"
#include "backends/shared/fused_region.h"
#include "backends/shared/node_info.h"
#include "layerwise/error.h"

namespace layerwise {
namespace opencl {
namespace {

/// What packing depends on, read off the weights. A fully connected layer is a convolution whose
/// kernel is as large as its input; the parameters say how large that is.
ConvProblem weightProblem(const Node& node, const std::string& parameters) {
  if (auto* f = node.as<FullyConnected>()) {
    ConvProblem p;
    long height = 1, width = 1;
    const std::size_t at = parameters.find(" kernel=");
    if (at == std::string::npos ||
        std::sscanf(parameters.c_str() + at, " kernel=%ldx%ld", &height, &width) != 2)
      throw Error(ErrorCode::kInternal,
                  fmt::format("[fully_connected] parameters '{}' lack a kernel", parameters));
    p.outChannels = f->outputs;
    p.kernelHeight = height, p.kernelWidth = width;
    p.inChannels = node.weights[0].count / (p.outChannels * height * width);
    return p;
  }
  return convWeightProblem(*node.as<Convolution>(), node.weights[0].count);
}

std::optional<ConvProblem> problemOf(const Node& node, const Dims& in) {
  if (auto* f = node.as<FullyConnected>()) {
    ConvProblem p;
    if (f->axis != 1 || in.rank() < 2 || in.rank() > 4) return std::nullopt;
    p.images = in[0], p.inChannels = in[1], p.outChannels = f->outputs;
    if (in.rank() > 2) p.inWidth = p.kernelWidth = in[in.rank() - 1];
    if (in.rank() > 3) p.inHeight = p.kernelHeight = in[2];
    return p;
  }
  return convProblem(*node.as<Convolution>(), in);
}

/// Implicit GEMM on tensor cores or in exact float32, with its epilogue: bias, activation,
/// residual.
class NvidiaConvolution final : public Tactic {
 public:
  NvidiaConvolution(const Device& device, const ConvFamily& family)
      : device_(device),
        family_(family),
        math_(family.math),
        type_(convType(math_)),
        name_(convName(family)) {}

  std::string_view name() const override { return name_; }

  void match(const MatchContext& context, NodeId id,
             std::vector<Candidate>& candidates) const override {
    const Node& node = context.graph.node(id);
    if (!node.as<Convolution>() && !node.as<FullyConnected>()) return;
    const TensorInfo& in = context.shapes.values[static_cast<std::size_t>(node.inputs[0])];
    if (in.type != DataType::kFloat32 || in.dims.volume() == 0) return;
    const Numerics& numerics = context.graph.numerics;
    if (math_ == ConvMath::kTf32 && !numerics.tf32) return;
    if (math_ == ConvMath::kTf32x3 && (numerics.tf32 || !numerics.winograd)) return;
    std::optional<ConvProblem> problem = problemOf(node, in.dims);
    if (!problem || problem->pixels() == 0 || problem->outChannels == 0) return;
    const auto cuts = convCutsToTry(device_, family_, *problem);
    for (const FusedNodes& region :
         fusedNodes(context, id, [](const Activation&) { return true; })) {
      if (math_ == ConvMath::kHalf &&
          !std::all_of(region.nodes.begin(), region.nodes.end(), [&](NodeId n) {
            return context.graph.computeType(n) == DataType::kFloat16;
          }))
        continue;
      for (const auto& [cut, seconds] : cuts)
        addCandidates(context, *problem, cut, seconds, node.inputs[0], region, candidates);
    }
  }

  std::shared_ptr<const void> pack(const Graph& graph, const Candidate& candidate) const override {
    const Node& node = graph.node(candidate.nodes.front());
    std::vector<float> bias;
    if (node.weights.size() > 1) bias = floatWeights(node.weights[1]);
    return uploadConv(device_, ConvCut::parse(family_, candidate.parameters).tile,
                      weightProblem(node, candidate.parameters), floatWeights(node.weights[0]),
                      bias);
  }

  std::unique_ptr<Step> bind(const BindContext& c) const override {
    if (c.outputs[0].dims.volume() == 0) return std::make_unique<ClStep>();
    const FusedNodes region = fusedNodes(c.graph, c.candidate.nodes);
    ConvBinding b;
    b.cut = ConvCut::parse(family_, c.candidate.parameters);
    b.problem = *problemOf(c.graph.node(c.candidate.nodes.front()), c.inputs[0].dims);
    b.in = convTensor(c.inputs[0]), b.out = convTensor(c.outputs[0]);
    if (region.residual != kNone) {
      b.residual = convTensor(c.inputs[1]);
      b.residualPlace = region.activation && !region.residualFirst ? 2 : 1;
    }
    b.activation = region.activation;
    return bindNvidiaConv(device_, b, *static_cast<const PackedConv*>(c.packed.get()));
  }

 private:
  void addCandidates(const MatchContext& context, const ConvProblem& p, const ConvCut& cut,
                     double seconds, ValueId input, const FusedNodes& region,
                     std::vector<Candidate>& candidates) const {
    auto last = [&](ValueId id) {
      return Layout::channelsLast(type_,
                                  context.shapes.values[static_cast<std::size_t>(id)].dims.rank());
    };
    const auto size = static_cast<double>(sizeOf(type_));
    const double in = static_cast<double>(p.images * p.inChannels * p.inHeight * p.inWidth);
    const double out = static_cast<double>(p.pixels() * p.outChannels);
    const double weights = static_cast<double>(p.depth() * p.outChannels);
    Candidate c;
    c.tactic = this;
    c.nodes = region.nodes;
    c.inputs = {input};
    c.outputs = {region.output};
    if (region.residual != kNone) c.inputs.push_back(region.residual);
    c.parameters = cut.text();
    if (context.graph.node(region.nodes.front()).as<FullyConnected>())
      c.parameters += fmt::format(" kernel={}x{}", p.kernelHeight, p.kernelWidth);
    c.flops = 2 * out * static_cast<double>(p.depth());
    c.bytes = size * (in + weights + out * (region.residual == kNone ? 1 : 2));
    for (ValueId id : c.inputs) c.inputLayouts.push_back(last(id));
    c.outputLayouts = {last(region.output)};
    c.seconds = seconds + convGatherSeconds(p, family_);
    candidates.push_back(c);
    // What a network ends with: floats, without a launch that makes them so.
    const TensorInfo& output = context.shapes.values[static_cast<std::size_t>(region.output)];
    if (math_ == ConvMath::kHalf && output.dims.rank() == 2 && region.residual == kNone) {
      Candidate floats = c;
      floats.outputLayouts = {Layout::linear(DataType::kFloat32)};
      floats.bytes += (sizeof(float) - size) * out;
      candidates.push_back(std::move(floats));
    }
    if (!readsPlanes(p)) return;
    c.inputLayouts[0] = Layout::linear(DataType::kFloat32);
    candidates.push_back(c);
  }

  const Device& device_;
  ConvFamily family_;
  ConvMath math_;
  DataType type_;
  std::string name_;
};

}  // namespace
}  // namespace opencl

void registerTactic_nvidia_convolution(opencl::TacticRegistry& registry) {
  using namespace opencl;
  constexpr ConvFamily kFamilies[] = {
      {ConvMath::kHalf, ConvUnit::kWarp},        {ConvMath::kTf32, ConvUnit::kWarp},
      {ConvMath::kFloat, ConvUnit::kWarp},       {ConvMath::kHalf, ConvUnit::kWarpgroup},
      {ConvMath::kTf32, ConvUnit::kWarpgroup},   {ConvMath::kHalf, ConvUnit::kPatch},
      {ConvMath::kTf32, ConvUnit::kPatch},       {ConvMath::kTf32x3, ConvUnit::kWarp},
      {ConvMath::kTf32x3, ConvUnit::kWarpgroup}, {ConvMath::kTf32x3, ConvUnit::kPatch}};
  for (const ConvFamily& family : kFamilies)
    if (nvidiaConvWorks(registry.device(), family))
      registry.add(std::make_unique<NvidiaConvolution>(registry.device(), family));
}

}  // namespace layerwise
