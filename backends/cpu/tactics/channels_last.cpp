// Layers that move or reduce channels-last tensors, on the vector kernels of tensor_ops.h.
#include <fmt/format.h>

#include <functional>
#include <optional>

#include "backends/cpu/fused_region.h"
#include "backends/cpu/kernel_table.h"
#include "backends/cpu/step.h"
#include "backends/cpu/tactic_registry.h"
#include "backends/cpu/tensor_view.h"
#include "layers/spatial.h"

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

/// One node of float tensors of rank 3 or 4, all channels-last.
class ChannelsLastTactic : public Tactic {
 public:
  explicit ChannelsLastTactic(std::string_view operation)
      : isa_(selectedIsa()), name_(fmt::format("{}_f32_{}", operation, isaName(isa_))) {}
  std::string_view name() const override { return name_; }

  void match(const MatchContext& context, NodeId id,
             std::vector<Candidate>& candidates) const override {
    const Node& node = context.graph.node(id);
    if (!takes(context, node)) return;
    Candidate c;
    c.tactic = this;
    c.nodes = {id};
    c.inputs = node.inputs;
    c.outputs = node.outputs;
    for (const auto* values : {&c.inputs, &c.outputs})
      for (ValueId value : *values) {
        const TensorInfo& info = context.shapes.values[static_cast<std::size_t>(value)];
        if (info.type != DataType::kFloat32 || info.dims.rank() < 3 || info.dims.rank() > 4) return;
        (values == &c.inputs ? c.inputLayouts : c.outputLayouts)
            .push_back(Layout::channelsLast(info.type, info.dims.rank()));
        c.bytes += 4 * static_cast<double>(info.dims.volume());
      }
    c.flops = c.bytes / 4;
    c.seconds = kStepSeconds + c.bytes / (kBytesPerSecond * context.workers);
    candidates.push_back(std::move(c));
  }

 protected:
  virtual bool takes(const MatchContext& context, const Node& node) const = 0;
  const TensorKernels& table() const { return *kernels(isa_).tensor; }

 private:
  Isa isa_;
  std::string name_;
};

const Node& nodeOf(const BindContext& context) {
  return context.graph.node(context.candidate.nodes.front());
}

/// A plan of tensor_ops.h with one input, and the kernel that runs it.
template <class Plan>
std::unique_ptr<Step> unaryStep(const BindContext& context, const Plan& plan,
                                void (*kernel)(const Plan&, const float*, float*, std::int64_t)) {
  BufferView in = context.inputs[0], out = context.outputs[0];
  std::int64_t tiles = out.dims.volume() == 0 ? 0 : plan.tiles();
  return std::make_unique<TileStep>(tiles, [=](std::int64_t tile, const Worker& worker) {
    kernel(plan, worker.data<const float>(in), worker.data<float>(out), tile);
  });
}

class PoolingTactic final : public ChannelsLastTactic {
 public:
  PoolingTactic() : ChannelsLastTactic("pooling") {}

  bool takes(const MatchContext& context, const Node& node) const override {
    const Pooling* a = node.as<Pooling>();
    if (!a || isGlobalAverage(*a)) return false;
    const Dims& in = context.shapes.values[static_cast<std::size_t>(node.inputs[0])].dims;
    if (in.rank() > 4) return false;
    // A window that may hold no pixel at all has a value that only the reference defines; and a
    // last window that ceil adds counts padding in a way of its own.
    SpatialWindow w = resolveWindow(*a, in);
    for (int i = 0; i < w.axes; ++i)
      if (w.prePadding[i] >= w.kernel[i] || w.postPadding[i] >= w.kernel[i]) return false;
    return a->paddingMode == PaddingMode::kExplicitRoundDown || a->type == PoolingType::kMax;
  }

  std::unique_ptr<Step> bind(const BindContext& context) const override {
    const Pooling& a = *nodeOf(context).as<Pooling>();
    SpatialWindow w = resolveWindow(a, context.inputs[0].dims);
    ImageSize in(context.inputs[0].dims), out(context.outputs[0].dims);
    int x = w.axes - 1;
    PoolPlan plan;
    plan.kind = a.type == PoolingType::kMax ? PoolKind::kMax
                : a.averageCountsPadding    ? PoolKind::kAverageWithZeros
                                            : PoolKind::kAverage;
    plan.n = in.n, plan.h = in.h, plan.w = in.w, plan.c = in.c, plan.outH = out.h,
    plan.outW = out.w;
    plan.kw = w.kernel[x], plan.sw = w.stride[x], plan.pl = w.prePadding[x],
    plan.pr = w.postPadding[x];
    if (w.axes == 2)
      plan.kh = w.kernel[0], plan.sh = w.stride[0], plan.pt = w.prePadding[0],
      plan.pb = w.postPadding[0];
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
  GlobalAverageTactic() : ChannelsLastTactic("global_average") {}

  bool takes(const MatchContext&, const Node& node) const override {
    const Pooling* a = node.as<Pooling>();
    return a && PoolingTactic::isGlobalAverage(*a);
  }

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
  UpsampleTactic() : ChannelsLastTactic("upsample") {}

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
  PointwiseTactic() : ChannelsLastTactic("pointwise") {}

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
      kernel(plan, worker.data<const float>(a), worker.data<const float>(b),
             worker.data<float>(out), tile);
    });
  }
};

}  // namespace
}  // namespace cpu

void registerTactic_channels_last(cpu::TacticRegistry& registry) {
  registry.add(std::make_unique<cpu::PoolingTactic>());
  registry.add(std::make_unique<cpu::GlobalAverageTactic>());
  registry.add(std::make_unique<cpu::UpsampleTactic>());
  registry.add(std::make_unique<cpu::PointwiseTactic>());
}

}  // namespace layerwise
