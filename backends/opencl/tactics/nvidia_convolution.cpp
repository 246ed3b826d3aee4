#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <optional>

#include "backends/opencl/nvidia_conv.h"
#include "backends/opencl/nvidia_conv_step.h"
#include "backends/opencl/tactic_registry.h"
#include "backends/shared/fused_region.h"
#include "backends/shared/node_info.h"
#include "layers/spatial.h"
#include "layerwise/error.h"

namespace layerwise {
namespace opencl {
namespace {

constexpr std::int64_t kStemChannels = 4;
// Measured ones beyond this many add nothing but time.
constexpr std::size_t kMostCuts = 12;

bool hasFixedPadding(const Convolution& a) {
  return a.paddingMode == PaddingMode::kExplicitRoundDown ||
         a.paddingMode == PaddingMode::kExplicitRoundUp;
}

/// What packing depends on, read off the weights. A fully connected layer is a convolution whose
/// kernel is as large as its input; the parameters say how large that is.
ConvProblem weightProblem(const Node& node, const std::string& parameters) {
  ConvProblem p;
  if (auto* f = node.as<FullyConnected>()) {
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
  const Convolution& a = *node.as<Convolution>();
  p.outChannels = a.outputs;
  p.kernelWidth = a.kernel[a.kernel.rank() - 1];
  p.kernelHeight = a.kernel.rank() == 2 ? a.kernel[0] : 1;
  p.inChannels = node.weights[0].count / (p.outChannels * p.kernelHeight * p.kernelWidth);
  if (a.stride.rank()) p.strideX = a.stride[a.stride.rank() - 1];
  if (a.dilation.rank()) p.dilationX = a.dilation[a.dilation.rank() - 1];
  if (a.prePadding.rank()) p.padX = a.prePadding[a.prePadding.rank() - 1];
  p.fixedPadding = hasFixedPadding(a);
  return p;
}

std::optional<ConvProblem> problemOf(const Node& node, const Dims& in) {
  ConvProblem p;
  if (auto* f = node.as<FullyConnected>()) {
    if (f->axis != 1 || in.rank() < 2 || in.rank() > 4) return std::nullopt;
    p.images = in[0], p.inChannels = in[1], p.outChannels = f->outputs;
    if (in.rank() > 2) p.inWidth = p.kernelWidth = in[in.rank() - 1];
    if (in.rank() > 3) p.inHeight = p.kernelHeight = in[2];
    return p;
  }
  const Convolution& a = *node.as<Convolution>();
  if (a.groups != 1 || in.rank() < 3 || in.rank() > 4) return std::nullopt;
  Window3 w(resolveWindow(a, in), in);
  p.images = in[0], p.inChannels = in[1], p.outChannels = a.outputs;
  p.inHeight = w.in[1], p.inWidth = w.in[2], p.outHeight = w.out[1], p.outWidth = w.out[2];
  p.kernelHeight = w.kernel[1], p.kernelWidth = w.kernel[2];
  p.strideY = w.stride[1], p.strideX = w.stride[2];
  p.dilationY = w.dilation[1], p.dilationX = w.dilation[2];
  p.padY = w.pad[1], p.padX = w.pad[2];
  p.fixedPadding = hasFixedPadding(a);
  return p;
}

ConvTensor tensorOf(const BufferView& view) {
  ConvTensor t{.view = view, .image = view.strides[0], .channel = view.strides[1]};
  const int rank = view.dims.rank();
  if (rank > 2) t.pixel = view.strides[rank - 1];
  if (rank > 3) t.row = view.strides[rank - 2];
  return t;
}

/// Implicit GEMM on tensor cores (half) or in exact float32, with its epilogue: bias, activation,
/// residual.
class NvidiaConvolution final : public Tactic {
 public:
  NvidiaConvolution(const Device& device, const ConvFamily& family)
      : device_(device),
        family_(family),
        math_(family.math),
        type_(math_ == ConvMath::kHalf ? DataType::kFloat16 : DataType::kFloat32),
        name_(math_ == ConvMath::kHalf   ? "conv_f16"
              : math_ == ConvMath::kTf32 ? "conv_tf32"
                                         : "conv_f32") {
    name_ += family.unit == ConvUnit::kPatch       ? "_wgmma_patch"
             : family.unit == ConvUnit::kWarpgroup ? "_wgmma"
             : math_ == ConvMath::kFloat           ? "_cuda_core"
                                                   : "_tensor_core";
  }

  std::string_view name() const override { return name_; }

  void match(const MatchContext& context, NodeId id,
             std::vector<Candidate>& candidates) const override {
    const Node& node = context.graph.node(id);
    if (!node.as<Convolution>() && !node.as<FullyConnected>()) return;
    const TensorInfo& in = context.shapes.values[static_cast<std::size_t>(node.inputs[0])];
    if (in.type != DataType::kFloat32 || in.dims.volume() == 0) return;
    if (math_ == ConvMath::kTf32 && !context.graph.numerics.tf32) return;
    std::optional<ConvProblem> problem = problemOf(node, in.dims);
    if (!problem || problem->pixels() == 0 || problem->outChannels == 0) return;
    auto cuts = convCuts(family_, ChunkedConv(*problem, math_).problem,
                         static_cast<int>(device_.info().computeUnits));
    if (cuts.size() > kMostCuts) cuts.resize(kMostCuts);
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
    b.in = tensorOf(c.inputs[0]), b.out = tensorOf(c.outputs[0]);
    if (region.residual != kNone) {
      b.residual = tensorOf(c.inputs[1]);
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
    c.seconds = seconds;
    const ChunkedConv chunked(p, math_);
    // The launch that fills up channels reads any layout.
    const double gather = 4e-6 + (in + static_cast<double>(chunked.problem.inChannels) * in /
                                           static_cast<double>(p.inChannels)) *
                                     4 / 2e12;
    if (!chunked.asGiven) c.seconds += gather;
    candidates.push_back(c);
    if (p.inChannels > kStemChannels || p.inWidth == 1) return;
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
      {ConvMath::kHalf, ConvUnit::kWarp},      {ConvMath::kTf32, ConvUnit::kWarp},
      {ConvMath::kFloat, ConvUnit::kWarp},     {ConvMath::kHalf, ConvUnit::kWarpgroup},
      {ConvMath::kTf32, ConvUnit::kWarpgroup}, {ConvMath::kHalf, ConvUnit::kPatch},
      {ConvMath::kTf32, ConvUnit::kPatch}};
  for (const ConvFamily& family : kFamilies)
    if (nvidiaConvWorks(registry.device(), family))
      registry.add(std::make_unique<NvidiaConvolution>(registry.device(), family));
}

}  // namespace layerwise
