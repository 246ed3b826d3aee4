// Fully connected layers on the vector units: dot products on the weights as they lie, or, where
// there are many rows, a 1x1 convolution.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "backends/cpu/conv.h"
#include "backends/cpu/fully_connected_rows.h"
#include "backends/cpu/fused_region.h"
#include "backends/cpu/kernel_table.h"
#include "backends/cpu/single_node.h"
#include "backends/cpu/weight_memory.h"
#include "layerwise/error.h"

namespace layerwise {
namespace cpu {
namespace {

/// The layer as a 1x1 convolution of one row of pixels.
ConvShape shapeOf(const FullyConnected& a, std::int64_t rows, std::int64_t depth) {
  ConvShape shape;
  shape.w = rows;
  shape.ci = depth;
  shape.co = a.outputs;
  return shape;
}

const FullyConnected& layerOf(const BindContext& context) {
  return *context.graph.node(context.candidate.nodes.front()).as<FullyConnected>();
}

/// What both ways share: matching and the cost model.
class FullyConnectedTactic : public Tactic {
 public:
  explicit FullyConnectedTactic(std::string_view way)
      : isa_(selectedIsa()), name_(fmt::format("fully_connected_{}_f32_{}", way, isaName(isa_))) {}
  std::string_view name() const override { return name_; }

  void match(const MatchContext& context, NodeId id,
             std::vector<Candidate>& candidates) const override {
    const Node& node = context.graph.node(id);
    const FullyConnected* a = node.as<FullyConnected>();
    if (!a) return;
    const TensorInfo& in = context.shapes.values[static_cast<std::size_t>(node.inputs[0])];
    if (in.type != DataType::kFloat32 || in.dims.volume() == 0) return;
    int axis = axisOf(*a, in.dims.rank());
    std::int64_t depth = node.weights[0].count / a->outputs, rows = in.dims.volume() / depth;
    if (!takes(in.dims.rank(), axis, rows)) return;
    Candidate c;
    c.tactic = this;
    c.flops = 2.0 * static_cast<double>(rows * depth * a->outputs);
    c.bytes = 4.0 * static_cast<double>(rows * depth + depth * a->outputs + rows * a->outputs);
    c.seconds = estimate(c, rows, context.workers);
    for (const FusedRegion& region : fusedRegions(context, id)) {
      c.nodes = region.nodes;
      c.inputs = {node.inputs[0]};
      if (region.residual != kNone) c.inputs.push_back(region.residual);
      c.outputs = {region.output};
      c.inputLayouts.assign(c.inputs.size(), Layout::linear(in.type));
      c.outputLayouts = {Layout::linear(in.type)};
      addCandidates(c, shapeOf(*a, rows, depth), candidates);
    }
  }

 protected:
  virtual bool takes(int rank, int axis, std::int64_t rows) const = 0;
  virtual double efficiency(std::int64_t rows) const = 0;
  virtual void addCandidates(const Candidate& candidate, const ConvShape& shape,
                             std::vector<Candidate>& candidates) const = 0;
  const KernelTable& table() const { return kernels(isa_); }
  Isa isa() const { return isa_; }

 private:
  double estimate(const Candidate& c, std::int64_t rows, int workers) const {
    constexpr double kClock = 3e9, kBytesPerSecond = 15e9, kStepSeconds = 3e-6;
    double lanes = isa_ == Isa::kPortable ? 1 : table().width;
    double compute = c.flops / (4 * lanes * efficiency(rows) * kClock * workers);
    return kStepSeconds + std::max(compute, c.bytes / kBytesPerSecond);
  }

  Isa isa_;
  std::string name_;
};

struct FloatWeights {
  ConstantData kernel, bias;
};

/// Dot products of the input's rows with those of the weights, which stay where they are.
class DotTactic final : public FullyConnectedTactic {
 public:
  DotTactic() : FullyConnectedTactic("dot") {}

  std::shared_ptr<const void> pack(const Graph& graph, const Candidate& candidate) const override {
    const Node& node = graph.node(candidate.nodes.front());
    return std::make_shared<FloatWeights>(
        FloatWeights{floatData(node.weights[0]), floatData(node.weights[1])});
  }

  std::unique_ptr<Step> bind(const BindContext& context) const override {
    const FullyConnectedTensors tensors(context, layerOf(context));
    const FullyConnectedPlan plan = cpu::bindFullyConnected(tensors.plan(), context.workers);
    auto packed = std::static_pointer_cast<const FloatWeights>(context.packed);
    auto kernel = table().tensor->fullyConnected;
    auto work = [=](std::int64_t tile, const Worker& worker) {
      std::int64_t first = tile / plan.strips * plan.block, row = tile % plan.strips * plan.strip;
      std::int64_t end = std::min(row + plan.strip, plan.rows);
      while (row < end) {
        const FullyConnectedRows rows = tensors.take(worker, row, end, first);
        const float* bias = packed->bias.count ? packed->bias.as<float>() : nullptr;
        kernel(plan, packed->kernel.as<float>(), bias, first,
               std::min(plan.block, plan.outputs - first), rows);
      }
    };
    return makeStep(plan.rows == 0 ? 0 : plan.tiles(), work, tensors.scratchBytes());
  }

 protected:
  bool takes(int, int, std::int64_t) const override { return true; }
  double efficiency(std::int64_t rows) const override {
    return 0.15 * static_cast<double>(std::min<std::int64_t>(rows, kMaxRows));
  }
  void addCandidates(const Candidate& candidate, const ConvShape&,
                     std::vector<Candidate>& candidates) const override {
    candidates.push_back(candidate);
  }
};

struct PackedWeights {
  WeightMemory memory;
  const float* data() const { return reinterpret_cast<const float*>(memory.data()); }
};

/// A 1x1 convolution whose pixels are the rows.
class ProductTactic final : public FullyConnectedTactic {
 public:
  ProductTactic() : FullyConnectedTactic("product") {}

  std::shared_ptr<const void> pack(const Graph& graph, const Candidate& candidate) const override {
    const Node& node = graph.node(candidate.nodes.front());
    const auto& a = *node.as<FullyConnected>();
    ConvShape shape = shapeOf(a, 1, node.weights[0].count / a.outputs);
    ConvConfig config = configOf(candidate);
    ConstantData kernel = floatData(node.weights[0]), bias = floatData(node.weights[1]);
    auto packed = std::make_shared<PackedWeights>();
    packed->memory = WeightMemory(convPackedFloats(shape, config) * sizeof(float));
    packConv(shape, config, kernel.as<float>(), bias.count ? bias.as<float>() : nullptr,
             reinterpret_cast<float*>(packed->memory.data()));
    return packed;
  }

  std::unique_ptr<Step> bind(const BindContext& context) const override {
    int axis = context.inputs[0].dims.rank() - 1, leading = axis - 1;
    RowView in(context.inputs[0], leading), out(context.outputs[0], leading);
    Epilogue epilogue = epilogueOf(context.graph, context.candidate.nodes);
    bool hasResidual = epilogue.residual != ResidualPlace::kNone;
    RowView residual = hasResidual ? RowView(context.inputs[1], leading) : out;
    auto pixels = [&](const BufferView& view) {
      View v;
      v.pixel = view.strides[leading];
      v.channel = view.strides[axis];
      return v;
    };
    const Dims& dims = context.inputs[0].dims;
    ConvPlan plan =
        bindConv(shapeOf(layerOf(context), dims[leading], dims[axis]), configOf(context.candidate),
                 pixels(in.view), pixels(out.view), hasResidual ? pixels(residual.view) : View{},
                 epilogue, context.workers);
    auto packed = std::static_pointer_cast<const PackedWeights>(context.packed);
    auto kernel = table().conv->direct;
    std::int64_t batch = dims.volume() == 0 ? 0 : in.rows();
    auto work = [=](std::int64_t tile, const Worker& worker) {
      std::int64_t index = tile / plan.tiles;
      ConvBuffers buffers;
      buffers.in = worker.data<const float>(in.view) + in.offset(index);
      buffers.packed = packed->data();
      if (hasResidual)
        buffers.residual = worker.data<const float>(residual.view) + residual.offset(index);
      buffers.out = worker.data<float>(out.view) + out.offset(index);
      kernel(plan, buffers, tile % plan.tiles, reinterpret_cast<float*>(worker.scratch));
    };
    return makeStep(batch * plan.tiles, work,
                    static_cast<std::size_t>(plan.scratchFloats) * sizeof(float));
  }

 protected:
  /// One row reads each weight once in either way, and here they would have to be packed.
  bool takes(int rank, int axis, std::int64_t rows) const override {
    return axis == rank - 1 && rows > 1;
  }
  double efficiency(std::int64_t rows) const override {
    return std::min(0.75, 0.1 * static_cast<double>(rows));
  }
  void addCandidates(const Candidate& candidate, const ConvShape& shape,
                     std::vector<Candidate>& candidates) const override {
    int place = 0;
    for (const ConvConfig& config : convCandidates(shape, isa())) {
      if (config.method != ConvMethod::kDirect) continue;
      Candidate c = candidate;
      c.parameters = fmt::format("vectors={} pixels={} copy={}", config.vectors, config.pixels,
                                 config.copyInput ? 1 : 0);
      c.seconds *= 1 + 0.02 * place++;
      candidates.push_back(std::move(c));
    }
  }

 private:
  ConvConfig configOf(const Candidate& candidate) const {
    int vectors = 0, pixels = 0, copy = 0;
    if (std::sscanf(candidate.parameters.c_str(), "vectors=%d pixels=%d copy=%d", &vectors, &pixels,
                    &copy) != 3)
      throw Error(ErrorCode::kInternal, fmt::format("[fully_connected] parameters '{}' are not "
                                                    "understood",
                                                    candidate.parameters));
    ConvConfig config;
    config.width = static_cast<std::uint8_t>(table().width);
    config.vectors = static_cast<std::uint8_t>(vectors);
    config.pixels = static_cast<std::uint8_t>(pixels);
    config.copyInput = copy != 0;
    return config;
  }
};

}  // namespace
}  // namespace cpu

void registerTactic_fully_connected(cpu::TacticRegistry& registry) {
  registry.add(std::make_unique<cpu::DotTactic>());
  registry.add(std::make_unique<cpu::ProductTactic>());
}

}  // namespace layerwise
