// Fully connected layers in bfloat16: half of the weights to read, which is what they wait for.
#include <fmt/format.h>

#include <algorithm>

#include "backends/cpu/cache_sizes.h"
#include "backends/cpu/conv_tactic.h"
#include "backends/cpu/fused_region.h"
#include "backends/cpu/kernel_table.h"
#include "backends/cpu/row_view.h"
#include "backends/cpu/single_node.h"
#include "backends/cpu/tactic_registry.h"

namespace layerwise {
namespace cpu {
namespace {

/// Rows of a matrix as the pixels of a 1x1 convolution; results and sums are float32.
class BFloat16FullyConnectedTactic final : public Tactic {
 public:
  BFloat16FullyConnectedTactic()
      : kernels_(typedConvKernels(Element::kBFloat16, selectedCpu())),
        name_(fmt::format("fully_connected_bf16_{}", kernels_.name)) {}
  std::string_view name() const override { return name_; }

  void match(const MatchContext& context, NodeId id,
             std::vector<Candidate>& candidates) const override {
    const Node& node = context.graph.node(id);
    const FullyConnected* a = node.as<FullyConnected>();
    if (!a || context.graph.computeType(id) != DataType::kBFloat16) return;
    const TensorInfo& in = context.shapes.values[static_cast<std::size_t>(node.inputs[0])];
    if (in.type != DataType::kFloat32 || in.dims.rank() < 2 || in.dims.volume() == 0) return;
    // One row an image.
    if (a->axis != 1 && (a->axis != -1 || in.dims.rank() != 2)) return;
    ConvShape shape = shapeOf(*a, in.dims);
    double weights = 2 * static_cast<double>(shape.ci * shape.co);
    for (const FusedRegion& region : fusedRegions(context, id)) {
      if (region.residual != kNone) continue;
      int place = 0;
      for (const ConvConfig& config : configs(shape)) {
        Candidate c;
        c.tactic = this;
        c.nodes = region.nodes;
        c.inputs = {node.inputs[0]};
        c.outputs = {region.output};
        c.inputLayouts = {Layout::linear(DataType::kBFloat16)};
        c.outputLayouts = {Layout::linear(DataType::kFloat32)};
        c.parameters = configText(config);
        c.flops = 2 * static_cast<double>(shape.macs());
        c.bytes = weights + static_cast<double>(shape.w * (2 * shape.ci + 4 * shape.co));
        double compute = c.flops / (2e9 * kernels_.width * context.workers);
        c.seconds = (std::max(compute, c.bytes / 15e9) + 3e-6) * (1 + 0.02 * place++);
        candidates.push_back(std::move(c));
      }
    }
  }

  std::shared_ptr<const void> pack(const Graph& graph, const Candidate& candidate) const override {
    const Node& node = graph.node(candidate.nodes.front());
    const FullyConnected& a = *node.as<FullyConnected>();
    ConvShape shape = shapeOf(a, {1, node.weights[0].count / a.outputs});
    ConvConfig config = configOf(candidate);
    ConstantData kernel = floatData(node.weights[0]), bias = floatData(node.weights[1]);
    auto packed = std::make_shared<PackedConvolution>();
    packed->memory = WeightMemory(convPackedFloats(shape, config) * sizeof(float));
    packConvBFloat16(shape, config, kernel.as<float>(), bias.count ? bias.as<float>() : nullptr,
                     packed->data());
    return packed;
  }

  std::unique_ptr<Step> bind(const BindContext& context) const override {
    const Node& node = context.graph.node(context.candidate.nodes.front());
    BufferView out = context.outputs[0];
    RowView in(context.inputs[0], 1);
    LoopNest<2> gather = gatherOf(in.view, 1);
    ConvShape shape = shapeOf(*node.as<FullyConnected>(), in.view.dims);
    View rows{0, 0, in.contiguous ? in.view.strides[0] : in.length, 1};
    ConvPlan plan = bindConv(
        shape, configOf(context.candidate), rows, {0, 0, out.strides[0], out.strides[1]}, {},
        epilogueOf(context.graph, context.candidate.nodes), context.workers, cacheSizes(), {});
    auto packed = std::static_pointer_cast<const PackedConvolution>(context.packed);
    TypedConvKernel kernel = kernels_.direct;
    std::size_t kernelBytes = static_cast<std::size_t>(plan.scratchFloats) * sizeof(float);
    // Kernels read up to 64 bytes beyond.
    std::size_t copyBytes =
        in.contiguous ? 0 : static_cast<std::size_t>(in.rows() * in.length) * 2 + 64;
    auto work = [=](std::int64_t tile, const Worker& worker) {
      const auto* from = worker.data<const std::uint16_t>(in.view);
      if (!in.contiguous) {
        auto* copy = reinterpret_cast<std::uint16_t*>(worker.scratch + kernelBytes);
        for (std::int64_t row = 0; row < in.rows(); ++row)
          copyRow(gather, from + in.offset(row), copy + row * in.length);
        from = copy;
      }
      TypedConvBuffers buffers{from, packed->data(), nullptr, worker.data<void>(out)};
      kernel(plan, buffers, tile, reinterpret_cast<float*>(worker.scratch));
    };
    return makeStep(out.dims.volume() == 0 ? 0 : plan.tiles, work, kernelBytes + copyBytes);
  }

 private:
  static ConvShape shapeOf(const FullyConnected& a, const Dims& in) {
    ConvShape shape;
    shape.w = in[0];
    shape.ci = in.volume() / in[0];
    shape.co = a.outputs;
    return shape;
  }

  std::vector<ConvConfig> configs(const ConvShape& shape) const {
    return typedConvCandidates(shape, Element::kBFloat16, kernels_.width, kernels_.registers);
  }

  ConvConfig configOf(const Candidate& candidate) const {
    ConvConfig config = configFromText(candidate.parameters, ConvMethod::kDirect, kernels_.width);
    config.element = Element::kBFloat16;
    return config;
  }

  const TypedConvKernels& kernels_;
  std::string name_;
};

}  // namespace
}  // namespace cpu

void registerTactic_typed_fully_connected(cpu::TacticRegistry& registry) {
  registry.add(std::make_unique<cpu::BFloat16FullyConnectedTactic>());
}

}  // namespace layerwise
