#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "backends/cpu/cache_sizes.h"
#include "backends/cpu/conv_geometry.h"
#include "backends/cpu/conv_step.h"
#include "backends/cpu/conv_tactic.h"
#include "backends/cpu/fused_region.h"
#include "backends/cpu/kernel_table.h"
#include "backends/cpu/single_node.h"
#include "backends/cpu/step.h"
#include "backends/cpu/tactic_registry.h"
#include "backends/cpu/tensor_view.h"

namespace layerwise {
namespace cpu {
namespace {

constexpr ConvMethod kMethods[] = {ConvMethod::kDirect, ConvMethod::kGrouped,
                                   ConvMethod::kDepthwise, ConvMethod::kWinograd2,
                                   ConvMethod::kWinograd4};

using ConvolutionStep = ConvStep<ConvBuffers, ConvKernel, PackedConvolution>;

/// One method of convolution on one instruction set, with its epilogue: bias, activation, residual.
class ConvolutionTactic final : public Tactic {
 public:
  ConvolutionTactic(ConvMethod method, Isa isa)
      : method_(method),
        isa_(isa),
        name_(fmt::format("conv_{}_f32_{}", convMethodName(method), isaName(isa))) {}

  std::string_view name() const override { return name_; }

  void match(const MatchContext& context, NodeId id,
             std::vector<Candidate>& candidates) const override {
    const Node& node = context.graph.node(id);
    const Convolution* a = node.as<Convolution>();
    if (!a) return;
    const TensorInfo& in = context.shapes.values[static_cast<std::size_t>(node.inputs[0])];
    if (in.type != DataType::kFloat32 || in.dims.rank() > 4 || in.dims.volume() == 0) return;
    ConvShape shape = convShapeOf(*a, in.dims);
    std::vector<ConvConfig> configs = convCandidates(shape, isa_);
    std::vector<FusedRegion> regions = fusedRegions(context, id);
    int place = 0;
    for (const ConvConfig& config : configs) {
      if (config.method != method_) continue;
      if (winogradOutput(config.method) && !context.graph.numerics.winograd) continue;
      for (const FusedRegion& region : regions)
        addCandidates(context, shape, config, place, node.inputs[0], region, candidates);
      ++place;
    }
  }

  std::shared_ptr<const void> pack(const Graph& graph, const Candidate& candidate) const override {
    const Node& node = graph.node(candidate.nodes.front());
    ConvConfig config = configOf(candidate);
    ConvShape shape = weightShape(*node.as<Convolution>(), node.weights[0].count);
    std::size_t floats = convPackedFloats(shape, config);
    auto packed = std::make_shared<PackedConvolution>();
    packed->memory = WeightMemory(floats * sizeof(float));
    const float* bias = node.weights[1].count ? node.weights[1].as<float>() : nullptr;
    packConv(shape, config, node.weights[0].as<float>(), bias,
             reinterpret_cast<float*>(packed->memory.data()));
    return packed;
  }

  std::unique_ptr<Step> bind(const BindContext& context) const override {
    if (context.outputs[0].dims.volume() == 0)
      return makeStep(0, [](std::int64_t, const Worker&) {});
    const Node& node = context.graph.node(context.candidate.nodes.front());
    ConvShape shape = convShapeOf(*node.as<Convolution>(), context.inputs[0].dims);
    Epilogue epilogue = epilogueOf(context.graph, context.candidate.nodes);
    View residual = epilogue.residual == ResidualPlace::kNone ? View{} : viewOf(context.inputs[1]);
    ConvPlan plan =
        bindConv(shape, configOf(context.candidate), viewOf(context.inputs[0]),
                 viewOf(context.outputs[0]), residual, epilogue, context.workers, cacheSizes());
    return std::make_unique<ConvolutionStep>(context, plan, kernels(isa_).convolution(method_));
  }

 private:
  ConvConfig configOf(const Candidate& candidate) const {
    return configFromText(candidate.parameters, method_, kernels(isa_).width);
  }

  /// Multiply-adds at the rate of the vector units, the transforms of Winograd, and the weights
  /// once from memory.
  double estimate(const ConvShape& s, int workers) const {
    const KernelTable& table = kernels(isa_);
    double clock = 3e9, lanes = isa_ == Isa::kPortable ? 1 : table.width;
    double multiplies = static_cast<double>(s.macs()),
           weights = multiplies / static_cast<double>(s.n * s.outH() * s.outW());
    double extra = 0, efficiency = 0.75;
    if (method_ == ConvMethod::kWinograd2 || method_ == ConvMethod::kWinograd4) {
      double m = method_ == ConvMethod::kWinograd2 ? 2 : 4, elements = (m + 2) * (m + 2);
      double tiles = static_cast<double>(s.n) * std::ceil(static_cast<double>(s.outH()) / m) *
                     std::ceil(static_cast<double>(s.outW()) / m);
      multiplies = tiles * elements * static_cast<double>(s.ci * s.co);
      weights *= elements / 9;
      extra = tiles * elements * static_cast<double>(s.ci + s.co) * 2.5 / lanes;
    } else if (method_ != ConvMethod::kDirect) {
      efficiency = 0.3;
    }
    double compute = (multiplies / (2 * lanes * efficiency) + extra) / (clock * workers);
    return std::max(compute, weights * 4 / 12e9) + 3e-6;
  }

  void addCandidates(const MatchContext& context, const ConvShape& shape, const ConvConfig& config,
                     int place, ValueId input, const FusedRegion& region,
                     std::vector<Candidate>& candidates) const {
    int rank = context.shapes.values[static_cast<std::size_t>(input)].dims.rank();
    Layout linear = Layout::linear(DataType::kFloat32),
           last = Layout::channelsLast(DataType::kFloat32, rank);
    Candidate c;
    c.tactic = this;
    c.nodes = region.nodes;
    c.inputs = {input};
    c.outputs = {region.output};
    if (region.residual != kNone) c.inputs.push_back(region.residual);
    c.parameters = configText(config);
    c.flops = 2 * static_cast<double>(shape.macs());
    double in = static_cast<double>(shape.n * shape.h * shape.w * shape.ci);
    double out = static_cast<double>(shape.n * shape.outH() * shape.outW() * shape.co);
    double weights = static_cast<double>(shape.co * shape.ci / shape.groups * shape.kh * shape.kw);
    c.bytes = 4 * (in + weights + out * (region.residual == kNone ? 1 : 2));
    // Candidates come best guess first; a later one must not win on a tie.
    c.seconds = estimate(shape, context.workers) * (1 + 0.02 * place);
    auto add = [&](const Layout& from, const Layout& to, double factor) {
      Candidate placed = c;
      placed.inputLayouts.assign(c.inputs.size(), last);  // the residual is read channels-last
      placed.inputLayouts[0] = from;
      placed.outputLayouts = {to};
      placed.seconds *= factor;
      candidates.push_back(std::move(placed));
    };
    add(last, last, 1);
    if (method_ != ConvMethod::kDirect) return;
    // The direct kernel copies a strip of planes as it needs it (a stem's input) and scatters its
    // result into planes (a head's output).
    constexpr std::int64_t kStemChannels = 4;
    if (shape.ci <= kStemChannels) add(linear, last, 1.02);
    add(last, linear, 1.02);
  }

  ConvMethod method_;
  Isa isa_;
  std::string name_;
};

}  // namespace
}  // namespace cpu

void registerTactic_convolution(cpu::TacticRegistry& registry) {
  for (cpu::ConvMethod method : cpu::kMethods)
    registry.add(std::make_unique<cpu::ConvolutionTactic>(method, cpu::selectedIsa()));
}

}  // namespace layerwise
