// Layers that move or reduce channels-last tensors, on the vector kernels of tensor_ops.h.
#include <fmt/format.h>

#include <functional>
#include <optional>

#include "backends/cpu/fused_region.h"
#include "backends/cpu/kernel_table.h"
#include "backends/cpu/pool_plan.h"
#include "backends/cpu/step.h"
#include "backends/cpu/tactic_registry.h"
#include "backends/cpu/tensor_view.h"

namespace layerwise {
namespace cpu {
namespace {

constexpr double kBytesPerSecond = 12e9;
constexpr double kStepSeconds = 2e-6;

/// A step whose tiles are all alike.
class TileStep final : public CpuStep {
 public:
  TileStep(std::int64_t tiles, std::function<void(std::int64_t, const Worker&)> work)
      : tiles_(tiles), work_(std::move(work)) {}
  std::int64_t tiles(int) const override { return tiles_; }
  void run(int, std::int64_t tile, const Worker& worker) const override { work_(tile, worker); }

 private:
  std::int64_t tiles_;
  std::function<void(std::int64_t, const Worker&)> work_;
};

/// One node of tensors of rank 3 or 4 and of one type, all channels-last. Those in bfloat16 are
/// float32 to the graph, which says where it may be that.
class ChannelsLastTactic : public Tactic {
 public:
  ChannelsLastTactic(std::string_view operation, DataType type)
      : isa_(selectedIsa()),
        type_(type),
        name_(fmt::format("{}_{}_{}", operation,
                          type == DataType::kFloat32    ? "f32"
                          : type == DataType::kBFloat16 ? "bf16"
                                                        : "u8",
                          isaName(isa_))) {}
  std::string_view name() const override { return name_; }

  void match(const MatchContext& context, NodeId id,
             std::vector<Candidate>& candidates) const override {
    const Node& node = context.graph.node(id);
    if (type_ == DataType::kBFloat16 && context.graph.computeType(id) != type_) return;
    if (!takes(context, node)) return;
    DataType logical = type_ == DataType::kBFloat16 ? DataType::kFloat32 : type_;
    Candidate c;
    c.tactic = this;
    c.nodes = {id};
    c.inputs = node.inputs;
    c.outputs = node.outputs;
    for (const auto* values : {&c.inputs, &c.outputs})
      for (ValueId value : *values) {
        const TensorInfo& info = context.shapes.values[static_cast<std::size_t>(value)];
        if (info.type != logical || info.dims.rank() < 3 || info.dims.rank() > 4) return;
        DataType type = values == &c.outputs ? outputType() : type_;
        (values == &c.inputs ? c.inputLayouts : c.outputLayouts)
            .push_back(Layout::channelsLast(type, info.dims.rank()));
        c.flops += static_cast<double>(info.dims.volume());
        c.bytes += static_cast<double>(sizeOf(type)) * static_cast<double>(info.dims.volume());
      }
    c.seconds = kStepSeconds + c.bytes / (kBytesPerSecond * context.workers);
    candidates.push_back(std::move(c));
  }

 protected:
  virtual bool takes(const MatchContext& context, const Node& node) const = 0;
  virtual DataType outputType() const { return type_; }
  const TensorKernels& table() const {
    const KernelTable& all = kernels(isa_);
    return type_ == DataType::kFloat32    ? *all.tensor
           : type_ == DataType::kBFloat16 ? all.typed->bfloat16
                                          : all.typed->bytes;
  }
  DataType type() const { return type_; }

 private:
  Isa isa_;
  DataType type_;
  std::string name_;
};

const Node& nodeOf(const BindContext& context) {
  return context.graph.node(context.candidate.nodes.front());
}

/// A plan of tensor_ops.h with one input, and the kernel that runs it.
template <class Plan>
std::unique_ptr<Step> unaryStep(const BindContext& context, const Plan& plan,
                                void (*kernel)(const Plan&, const void*, void*, std::int64_t)) {
  BufferView in = context.inputs[0], out = context.outputs[0];
  std::int64_t tiles = out.dims.volume() == 0 ? 0 : plan.tiles();
  return std::make_unique<TileStep>(tiles, [=](std::int64_t tile, const Worker& worker) {
    kernel(plan, worker.data<const void>(in), worker.data<void>(out), tile);
  });
}

class PoolingTactic final : public ChannelsLastTactic {
 public:
  explicit PoolingTactic(DataType type) : ChannelsLastTactic("pooling", type) {}

  bool takes(const MatchContext& context, const Node& node) const override {
    const Pooling* a = node.as<Pooling>();
    if (!a || isGlobalAverage(*a)) return false;
    if (type() == DataType::kUInt8 && a->type != PoolingType::kMax) return false;
    const Dims& in = context.shapes.values[static_cast<std::size_t>(node.inputs[0])].dims;
    return canPool(*a, in);
  }

  std::unique_ptr<Step> bind(const BindContext& context) const override {
    const Pooling& a = *nodeOf(context).as<Pooling>();
    PoolPlan plan = poolPlanOf(a, context.inputs[0].dims);
    plan.in = viewOf(context.inputs[0]);
    plan.out = viewOf(context.outputs[0]);
    return unaryStep(context, plan, table().pool);
  }

  static bool isGlobalAverage(const Pooling& a) {
    return a.global && a.type == PoolingType::kAverage;
  }
};

class GlobalAverageTactic final : public ChannelsLastTactic {
 public:
  explicit GlobalAverageTactic(DataType type) : ChannelsLastTactic("global_average", type) {}

  bool takes(const MatchContext&, const Node& node) const override {
    const Pooling* a = node.as<Pooling>();
    return a && PoolingTactic::isGlobalAverage(*a);
  }

  DataType outputType() const override { return DataType::kFloat32; }

  std::unique_ptr<Step> bind(const BindContext& context) const override {
    ImageSize in(context.inputs[0].dims);
    GlobalPoolPlan plan;
    plan.n = in.n, plan.h = in.h, plan.w = in.w, plan.c = in.c;
    plan.blocks = (in.c + 63) / 64;
    plan.in = viewOf(context.inputs[0]);
    plan.out = viewOf(context.outputs[0]);
    return unaryStep(context, plan, table().globalAverage);
  }
};

class UpsampleTactic final : public ChannelsLastTactic {
 public:
  explicit UpsampleTactic(DataType type) : ChannelsLastTactic("upsample", type) {}

  bool takes(const MatchContext& context, const Node& node) const override {
    const Resize* a = node.as<Resize>();
    if (!a || a->mode != InterpolationMode::kNearest ||
        a->coordinates != ResizeCoordinates::kAsymmetric || a->rounding != NearestRounding::kFloor)
      return false;
    const Dims& in = context.shapes.values[static_cast<std::size_t>(node.inputs[0])].dims;
    const Dims& out = context.shapes.values[static_cast<std::size_t>(node.outputs[0])].dims;
    for (int axis = 2; axis < in.rank(); ++axis)
      if (in[axis] == 0 || out[axis] % in[axis]) return false;
    // A scale that is no whole number maps pixels differently even where the sizes divide.
    for (double scale : a->scales)
      if (scale != static_cast<double>(static_cast<std::int64_t>(scale))) return false;
    return true;
  }

  std::unique_ptr<Step> bind(const BindContext& context) const override {
    ImageSize in(context.inputs[0].dims), out(context.outputs[0].dims);
    UpsamplePlan plan;
    plan.n = in.n, plan.h = in.h, plan.w = in.w, plan.c = in.c, plan.scaleH = out.h / in.h,
    plan.scaleW = out.w / in.w;
    plan.in = viewOf(context.inputs[0]);
    plan.out = viewOf(context.outputs[0]);
    return unaryStep(context, plan, table().upsample);
  }
};

std::optional<BinaryKind> binaryKind(ElementWiseOperation operation) {
  switch (operation) {
    case ElementWiseOperation::kSum:
      return BinaryKind::kAdd;
    case ElementWiseOperation::kSubtract:
      return BinaryKind::kSubtract;
    case ElementWiseOperation::kProduct:
      return BinaryKind::kMultiply;
    case ElementWiseOperation::kDivide:
      return BinaryKind::kDivide;
    default:
      return std::nullopt;
  }
}

/// An activation, or an operation on two tensors of which the second may be one value a channel.
class PointwiseTactic final : public ChannelsLastTactic {
 public:
  explicit PointwiseTactic(DataType type) : ChannelsLastTactic("pointwise", type) {}

  bool takes(const MatchContext& context, const Node& node) const override {
    if (auto* a = node.as<layerwise::Activation>()) return epilogueOf(*a).has_value();
    const ElementWise* e = node.as<ElementWise>();
    if (!e || !binaryKind(e->operation)) return false;
    const Dims& a = context.shapes.values[static_cast<std::size_t>(node.inputs[0])].dims;
    const Dims& b = context.shapes.values[static_cast<std::size_t>(node.inputs[1])].dims;
    const Dims& out = context.shapes.values[static_cast<std::size_t>(node.outputs[0])].dims;
    if (!(a == out) || b.rank() != a.rank() || a.rank() < 3 || b[1] != a[1]) return false;
    for (int axis = 0; axis < a.rank(); ++axis)
      if (b[axis] != a[axis] && b[axis] != 1) return false;
    return true;
  }

  std::unique_ptr<Step> bind(const BindContext& context) const override {
    const Node& node = nodeOf(context);
    BufferView a = context.inputs[0], b = context.inputs.back(), out = context.outputs[0];
    ImageSize size(out.dims);
    PointwisePlan plan;
    if (auto* activation = node.as<layerwise::Activation>())
      plan.epilogue = *epilogueOf(*activation);
    else
      plan.kind = *binaryKind(node.as<ElementWise>()->operation);
    plan.n = size.n, plan.h = size.h, plan.w = size.w, plan.c = size.c;
    plan.a = viewOf(a);
    plan.out = viewOf(out);
    for (int axis = 0; axis < b.dims.rank(); ++axis)
      if (b.dims[axis] == 1 && out.dims[axis] != 1) b.strides[axis] = 0;
    plan.b = viewOf(b);
    auto kernel = table().pointwise;
    std::int64_t tiles = out.dims.volume() == 0 ? 0 : plan.tiles();
    return std::make_unique<TileStep>(tiles, [=](std::int64_t tile, const Worker& worker) {
      kernel(plan, worker.data<const void>(a), worker.data<const void>(b), worker.data<void>(out),
             tile);
    });
  }
};

}  // namespace
}  // namespace cpu

void registerTactic_channels_last(cpu::TacticRegistry& registry) {
  for (DataType type : {DataType::kFloat32, DataType::kBFloat16}) {
    registry.add(std::make_unique<cpu::PoolingTactic>(type));
    registry.add(std::make_unique<cpu::GlobalAverageTactic>(type));
    registry.add(std::make_unique<cpu::UpsampleTactic>(type));
    registry.add(std::make_unique<cpu::PointwiseTactic>(type));
  }
  registry.add(std::make_unique<cpu::PoolingTactic>(DataType::kUInt8));
  registry.add(std::make_unique<cpu::UpsampleTactic>(DataType::kUInt8));
}

}  // namespace layerwise
