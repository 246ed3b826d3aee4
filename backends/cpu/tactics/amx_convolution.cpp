// Convolutions of bfloat16 and of bytes on tile registers.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>

#include "backends/cpu/amx_conv.h"
#include "backends/cpu/cache_sizes.h"
#include "backends/cpu/companded_weights.h"
#include "backends/cpu/conv_tactic.h"
#include "backends/cpu/fused_region.h"
#include "backends/cpu/pool_plan.h"
#include "backends/cpu/single_node.h"
#include "backends/cpu/step.h"
#include "backends/cpu/tactic_registry.h"
#include "backends/cpu/tensor_view.h"
#include "backends/cpu/typed_region.h"

#include "layerwise/error.h"

namespace layerwise {
namespace cpu {

extern const AmxKernel kAmxConvKernel;

namespace {

constexpr std::string_view kCompanded = " weights=8";

std::string toText(const AmxConfig& c) {
  return fmt::format("method={} strip={} blocks={}{}", amxMethodName(c.method), c.stripBytes,
                     c.blocks, c.companded ? kCompanded : "");
}

AmxConfig fromText(const std::string& text, Element element) {
  char name[16] = {};
  long strip = 0, blocks = 0;
  if (std::sscanf(text.c_str(), "method=%15s strip=%ld blocks=%ld", name, &strip, &blocks) == 3) {
    for (AmxMethod method : kAmxMethods)
      if (std::string_view(name) == amxMethodName(method))
        return {method, element, strip, blocks, text.ends_with(kCompanded)};
  }
  throw Error(ErrorCode::kInternal,
              fmt::format("[convolution] parameters '{}' are not understood", text));
}

class AmxConvolutionStep final : public CpuStep {
 public:
  AmxConvolutionStep(const BindContext& context, AmxConvolution convolution)
      : convolution_(std::move(convolution)),
        in_(context.inputs[0]),
        out_(context.outputs[0]),
        residual_(context.inputs.back()),
        packed_(std::static_pointer_cast<const PackedConvolution>(context.packed)) {}

  std::int64_t tiles(int) const override { return convolution_.plan.tiles; }
  std::size_t scratchBytes() const override {
    return static_cast<std::size_t>(convolution_.plan.scratchBytes);
  }

  WeightsAhead weights() const override {
    return {packed_->bytes(), sharesWeights(convolution_.plan.units)};
  }
  bool fetchesAhead() const override { return true; }

  void run(int, std::int64_t tile, const Worker& worker) const override {
    const AmxBuffers buffers{worker.data<const void>(in_), packed_->memory.data(),
                             convolution_.offsets.data(),  worker.data<const void>(residual_),
                             worker.data<void>(out_),      shareOf(worker, tile)};
    kAmxConvKernel(convolution_.plan, buffers, tile, worker.scratch);
  }

 private:
  // Of the weights ahead, what this unit of work fetches: a worker runs neighbouring units.
  AmxAhead shareOf(const Worker& worker, std::int64_t tile) const {
    const std::span<const std::byte> all = worker.ahead.bytes;
    const std::int64_t tiles = convolution_.plan.tiles;
    const std::int64_t parts =
        worker.ahead.byEachWorker ? std::max<std::int64_t>(1, tiles / worker.workers) : tiles;
    const auto at = [&](std::int64_t part) {
      return all.data() + static_cast<std::int64_t>(all.size()) * part / parts;
    };
    return {at(tile % parts), at(tile % parts + 1)};
  }

  AmxConvolution convolution_;
  BufferView in_, out_, residual_;  ///< residual_ is read where the epilogue says so
  std::shared_ptr<const PackedConvolution> packed_;
};

/// What the tactics of both types share.
class AmxConvolutionTactic : public Tactic {
 public:
  explicit AmxConvolutionTactic(Element element)
      : element_(element),
        name_(element == Element::kUInt8 ? "conv_direct_u8s8_amx" : "conv_direct_bf16_amx") {}

  std::string_view name() const override { return name_; }

 protected:
  AmxConfig configOf(const Candidate& candidate) const {
    return fromText(candidate.parameters, element_);
  }

  /// Of the region, and of the region with the pooling that follows it. `companded`: also with
  /// weights in 8 bits.
  void addCandidates(const MatchContext& context, const ConvShape& shape, const TypedRegion& region,
                     bool companded, std::vector<Candidate>& candidates) const {
    addWays(context, shape, region, companded, candidates);
    if (const auto pooled = withPooling(context, region)) {
      const Dims& in = context.shapes.values[static_cast<std::size_t>(region.output)].dims;
      if (keepsRows(shape, poolPlanOf(*pooled->pooling, in)))
        addWays(context, shape, *pooled, false, candidates);
    }
  }

  std::shared_ptr<PackedConvolution> allocate(const ConvShape& shape,
                                              const AmxConfig& config) const {
    auto packed = std::make_shared<PackedConvolution>();
    packed->memory = WeightMemory(amxPackedBytes(shape, config));
    return packed;
  }

  std::unique_ptr<Step> bindStep(const BindContext& context, const ConvShape& shape,
                                 const Epilogue& epilogue, Conversion conversion) const {
    if (context.outputs[0].dims.volume() == 0)
      return makeStep(0, [](std::int64_t, const Worker&) {});
    const View residual = bindTypes(context, epilogue, conversion);
    const auto bound = [&](const View& out, const PoolPlan* pool) {
      return bindAmxConv(shape, configOf(context.candidate), conversion,
                         pixelViewOf(context.inputs[0]), out, residual, epilogue, context.workers,
                         cacheSizes(), pool);
    };
    std::vector<NodeId> nodes = context.candidate.nodes;
    const Pooling* pooling = takePooling(context.graph, nodes);
    if (!pooling)
      return std::make_unique<AmxConvolutionStep>(context,
                                                  bound(pixelViewOf(context.outputs[0]), nullptr));
    const ValueId between = context.graph.node(nodes.back()).outputs[0];
    PoolPlan pool =
        poolPlanOf(*pooling, context.shapes.values[static_cast<std::size_t>(between)].dims);
    pool.out = viewOf(context.outputs[0]);
    return std::make_unique<AmxConvolutionStep>(context, bound(pool.out, &pool));
  }

 private:
  /// Whether the second-level cache holds the rows of a window and all weights.
  bool keepsRows(const ConvShape& shape, const PoolPlan& pool) const {
    const std::int64_t half = cacheSizes().l2 / 2, bytes = elementBytes(element_);
    return shape.co * shape.ci * shape.kh * shape.kw * bytes <= half &&
           pool.kh * pool.w * (shape.co + shape.ci) * bytes <= half;
  }

  /// About how many cycles windows and the rows that units compute twice take a core.
  double poolCycles(const ConvShape& shape, const PoolPlan& pool, double convolution,
                    int workers) const {
    constexpr double kLine = 64;
    const double lines = static_cast<double>(pool.n * pool.outH * pool.outW * pool.kh * pool.kw) *
                         std::ceil(static_cast<double>(pool.c * elementBytes(element_)) / kLine);
    const double shared = static_cast<double>(std::max<std::int64_t>(0, pool.kh - pool.sh)) *
                          (workers - 1) / static_cast<double>(shape.n * shape.outH());
    return 2 * lines + shared * convolution;
  }

  void addWays(const MatchContext& context, const ConvShape& shape, const TypedRegion& region,
               bool companded, std::vector<Candidate>& candidates) const {
    const auto dimsOf = [&](ValueId value) -> const Dims& {
      return context.shapes.values[static_cast<std::size_t>(value)].dims;
    };
    const Dims &in = dimsOf(region.inputs[0]), &out = dimsOf(region.output);
    Candidate c = candidateOf(context, shape, region, *this);
    if (region.inputs.size() > 1 && !region.pooling) c.replacedInput = 1;
    const double bytes =
        static_cast<double>(shape.co * shape.ci * shape.kh * shape.kw * elementBytes(element_));
    constexpr double kClock = 2.5e9, kBytesPerSecond = 12e9, kStepSeconds = 3e-6;
    const auto computeSeconds = [&](const AmxConfig& config) {
      double cycles = amxCycles(shape, config);
      if (region.pooling) {
        const ValueId between = context.graph.node(region.nodes.back()).inputs[0];
        cycles += poolCycles(shape, poolPlanOf(*region.pooling, dimsOf(between)), cycles,
                             context.workers);
      }
      return cycles / (kClock * context.workers);
    };
    int place = 0;
    std::vector<AmxConfig> configs = amxCandidates(shape, element_);
    if (companded) {
      for (AmxConfig config : std::vector(configs)) {
        config.companded = true;
        if (amxSupports(shape, config)) configs.push_back(config);
      }
    }
    for (const AmxConfig& config : configs) {
      const double compute = computeSeconds(config), read = config.companded ? bytes / 2 : bytes;
      c.parameters = toText(config);
      // Candidates come best guess first; a later one must not win on a tie.
      c.seconds = (std::max(compute, read / kBytesPerSecond) + kStepSeconds) * (1 + 0.02 * place++);
      c.inputLayouts = {Layout::channelsLast(region.inputType, in.rank())};
      if (c.inputs.size() > 1)
        c.inputLayouts.push_back(Layout::channelsLast(region.residualType, out.rank()));
      c.outputLayouts = {Layout::channelsLast(region.outputType, out.rank())};
      candidates.push_back(c);
    }
    // An image is read as it comes.
    const AmxConfig planes{AmxMethod::kPlanes, element_};
    constexpr std::int64_t kImageChannels = 4;
    if (shape.ci > kImageChannels || isOnePixel(in) || !amxSupports(shape, planes)) return;
    c.seconds = computeSeconds(planes) + kStepSeconds;
    c.parameters = toText(planes);
    c.inputLayouts[0] =
        Layout::linear(element_ == Element::kUInt8 ? DataType::kUInt8 : DataType::kFloat32);
    candidates.push_back(c);
  }

  Element element_;
  std::string name_;
};

class AmxBFloat16Tactic final : public AmxConvolutionTactic {
 public:
  AmxBFloat16Tactic() : AmxConvolutionTactic(Element::kBFloat16) {}

  void match(const MatchContext& context, NodeId id,
             std::vector<Candidate>& candidates) const override {
    std::optional<bool> companded;  // of the node: looks at all weights
    for (const TypedRegion& region : bfloat16Regions(context, id)) {
      const Convolution& a = *context.graph.node(id).as<Convolution>();
      const auto input = static_cast<std::size_t>(region.inputs[0]);
      const ConvShape shape = convShapeOf(a, context.shapes.values[input].dims);
      if (!companded) companded = mayCompand(context, id, shape);
      addCandidates(context, shape, region, *companded, candidates);
    }
  }

  std::shared_ptr<const void> pack(const Graph& graph, const Candidate& candidate) const override {
    const Node& node = graph.node(candidate.nodes.front());
    AmxConfig config = configOf(candidate);
    ConvShape shape = weightShape(*node.as<Convolution>(), node.weights[0].count);
    auto packed = allocate(shape, config);
    const float* bias = node.weights[1].count ? node.weights[1].as<float>() : nullptr;
    packAmxFloat(shape, config, node.weights[0].as<float>(), bias, packed->memory.data());
    return packed;
  }

  std::unique_ptr<Step> bind(const BindContext& context) const override {
    const Node& node = context.graph.node(context.candidate.nodes.front());
    std::vector<NodeId> nodes = context.candidate.nodes;
    takePooling(context.graph, nodes);
    return bindStep(context, convShapeOf(*node.as<Convolution>(), context.inputs[0].dims),
                    epilogueOf(context.graph, nodes), {});
  }

 private:
  /// Whether weights in 8 bits are worth their noise: there are more than stay in a second-level
  /// cache, and each is expanded once, as a tile of each block meets all positions at once.
  static bool mayCompand(const MatchContext& context, NodeId id, const ConvShape& shape) {
    const Node& node = context.graph.node(id);
    const std::int64_t count = node.weights[0].count, depth = count / shape.co;
    constexpr std::int64_t kLeastWeights = 1 << 20, kMostPositions = 64;
    if (!context.graph.numerics.weightOnly || count < kLeastWeights ||
        shape.outH() * (shape.outW() + shape.kw - 1) > kMostPositions)
      return false;
    if (!context.looksAtWeights) return true;
    const float* weights = node.weights[0].as<float>();
    for (std::int64_t o = 0; o < shape.co; ++o) {
      const auto first = static_cast<std::size_t>(o * depth);
      if (!Companding::fits({weights + first, static_cast<std::size_t>(depth)})) return false;
    }
    return true;
  }
};

/// The quantised convolution, to the bit.
class AmxBytesTactic final : public AmxConvolutionTactic {
 public:
  AmxBytesTactic() : AmxConvolutionTactic(Element::kUInt8) {}

  void match(const MatchContext& context, NodeId id,
             std::vector<Candidate>& candidates) const override {
    for (const TypedRegion& region : bytesRegions(context, id)) {
      const auto& a = *context.graph.node(id).as<QuantizedConvolution>();
      const auto input = static_cast<std::size_t>(region.inputs[0]);
      addCandidates(context, convShapeOf(a.convolution, context.shapes.values[input].dims), region,
                    false, candidates);
    }
  }

  std::shared_ptr<const void> pack(const Graph& graph, const Candidate& candidate) const override {
    const Node& node = graph.node(candidate.nodes.front());
    const auto& a = *node.as<QuantizedConvolution>();
    AmxConfig config = configOf(candidate);
    ConvShape shape = weightShape(a.convolution, node.weights[0].count);
    auto packed = allocate(shape, config);
    const FoldedQuantization folded = foldedQuantization(node);
    packAmxBytes(shape, config, node.weights[0].as<std::int8_t>(), folded.scales.data(),
                 folded.bias.data(), static_cast<int>(a.inputZeroPoint), packed->memory.data());
    return packed;
  }

  std::unique_ptr<Step> bind(const BindContext& context) const override {
    const Node& node = context.graph.node(context.candidate.nodes.front());
    const FoldedQuantization folded = foldedQuantization(node);
    const ConvShape shape = convShapeOf(folded.layer.convolution, context.inputs[0].dims);
    return bindStep(context, shape, epilogueOf(folded.layer),
                    conversionOf(folded, node.weights[0].count / shape.co));
  }
};

}  // namespace
}  // namespace cpu

void registerTactic_amx_convolution(cpu::TacticRegistry& registry) {
  const cpu::CpuFeatures& features = cpu::selectedCpu().features;
  if (features.amxTile && features.amxBf16)
    registry.add(std::make_unique<cpu::AmxBFloat16Tactic>());
  if (features.amxTile && features.amxInt8) registry.add(std::make_unique<cpu::AmxBytesTactic>());
}

}  // namespace layerwise
