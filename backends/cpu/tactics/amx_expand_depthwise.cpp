// A 1x1 convolution on tile registers with the depthwise one that alone reads it (the inverted
// residual of Sandler et al., "MobileNetV2", 2018): strips of rows of some channels go through
// both, so that what lies between them never leaves the caches.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <vector>

#include "backends/cpu/amx_conv.h"
#include "backends/cpu/cache_sizes.h"
#include "backends/cpu/conv_geometry.h"
#include "backends/cpu/conv_tactic.h"
#include "backends/cpu/fused_region.h"
#include "backends/cpu/kernel_table.h"
#include "backends/cpu/single_node.h"
#include "backends/cpu/step.h"
#include "backends/cpu/tactic_registry.h"
#include "backends/cpu/tensor_view.h"
#include "backends/cpu/typed_region.h"
#include "backends/shared/fused_region.h"

#include "layerwise/error.h"

namespace layerwise {
namespace cpu {

extern const AmxKernel kAmxConvKernel;

namespace {

constexpr Element kElement = Element::kBFloat16;
constexpr std::int64_t kBytes = elementBytes(kElement);
/// Channels of a chunk: a line of the cache in each pixel between both, and what the depthwise
/// kernel takes at once.
constexpr std::int64_t kChunk = 32;
constexpr std::size_t kAlignment = 64;

constexpr std::size_t aligned(std::size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

const TypedConvKernels& depthwiseKernels() {
  return typedConvKernels(kElement, selectedCpu());
}

AmxConfig expandConfig() {
  AmxConfig config;
  config.method = AmxMethod::kFlat;
  config.element = kElement;
  return config;
}

std::optional<ConvConfig> depthwiseConfig(const ConvShape& shape) {
  const TypedConvKernels& kernels = depthwiseKernels();
  for (const ConvConfig& config :
       typedConvCandidates(shape, kElement, kernels.width, kernels.registers))
    if (config.method == ConvMethod::kDepthwise) return config;
  return std::nullopt;
}

Conversion toBFloat16() {
  Conversion conversion;
  conversion.output = conversion.residual = kElement;
  return conversion;
}

/// Both convolutions of channels [first, first + count) of what lies between them.
struct Chunk {
  std::int64_t first, count;
};

struct Chunks {
  std::int64_t channels;
  std::int64_t count() const { return divideUp(channels, kChunk); }
  Chunk operator[](std::int64_t i) const {
    return {i * kChunk, std::min(kChunk, channels - i * kChunk)};
  }
};

ConvShape expandShape(ConvShape s, std::int64_t channels) {
  s.co = channels;
  return s;
}

ConvShape depthwiseShape(ConvShape s, std::int64_t channels) {
  s.ci = s.co = s.groups = channels;
  return s;
}

/// The weights of both, chunk by chunk.
struct PackedChunks {
  struct Place {
    std::size_t expand, depthwise;
  };
  std::vector<Place> places;
  WeightMemory memory;
};

/// Some rows of results and what they are made of, for chunks of one number of channels.
struct Strip {
  std::int64_t inRow, outRow;  ///< the first
  AmxConvolution expand;
  ConvPlan depthwise;
};

class ExpandDepthwiseStep final : public CpuStep {
 public:
  ExpandDepthwiseStep(const BindContext& context, const ConvShape& expand,
                      const ConvShape& depthwise, const Epilogue& between, const Epilogue& after,
                      std::int64_t rows)
      : chunks_{depthwise.co},
        images_(expand.n),
        in_(context.inputs[0]),
        out_(context.outputs[0]),
        inView_(viewOf(in_)),
        outView_(viewOf(out_)),
        packed_(std::static_pointer_cast<const PackedChunks>(context.packed)),
        kernel_(depthwiseKernels().convolution(ConvMethod::kDepthwise, true)) {
    for (std::int64_t first = 0; first < depthwise.outH(); first += rows) {
      const std::int64_t count = std::min(rows, depthwise.outH() - first);
      whole_.push_back(
          bindStrip(expand, depthwise, between, after, first, count, chunks_[0].count));
      last_.push_back(bindStrip(expand, depthwise, between, after, first, count,
                                chunks_[chunks_.count() - 1].count));
    }
  }

  std::int64_t tiles(int) const override {
    return images_ * static_cast<std::int64_t>(whole_.size()) * chunks_.count();
  }
  std::size_t scratchBytes() const override { return betweenBytes_ + kernelBytes_; }

  void run(int, std::int64_t tile, const Worker& worker) const override {
    const std::int64_t chunk = tile % chunks_.count(), place = tile / chunks_.count();
    const auto strips = static_cast<std::int64_t>(whole_.size());
    const std::int64_t image = place / strips;
    const auto at = static_cast<std::size_t>(place % strips);
    const Strip& strip = chunk + 1 < chunks_.count() ? whole_[at] : last_[at];
    const PackedChunks::Place& packed = packed_->places[static_cast<std::size_t>(chunk)];
    const std::byte* weights = packed_->memory.data();
    std::byte* const between = worker.scratch;
    std::byte* const scratch = worker.scratch + betweenBytes_;
    const auto in = image * inView_.image + strip.inRow * inView_.row;
    AmxBuffers expand;
    expand.in = worker.data<const std::byte>(in_) + in * kBytes;
    expand.packed = weights + packed.expand;
    expand.offsets = strip.expand.offsets.data();
    expand.out = between;
    for (std::int64_t i = 0; i < strip.expand.plan.tiles; ++i)
      kAmxConvKernel(strip.expand.plan, expand, i, scratch);
    const auto out = image * outView_.image + strip.outRow * outView_.row + chunks_[chunk].first;
    TypedConvBuffers depthwise;
    depthwise.in = between;
    depthwise.packed = weights + packed.depthwise;
    depthwise.out = worker.data<std::byte>(out_) + out * kBytes;
    for (std::int64_t i = 0; i < strip.depthwise.tiles; ++i)
      kernel_(strip.depthwise, depthwise, i, reinterpret_cast<float*>(scratch));
  }

 private:
  Strip bindStrip(ConvShape expand, ConvShape depthwise, const Epilogue& between,
                  const Epilogue& after, std::int64_t first, std::int64_t rows,
                  std::int64_t channels) {
    // Rows of what lies between that the strip reads, and those of them that exist.
    const std::int64_t begin = first * depthwise.sh - depthwise.pt;
    const std::int64_t end =
        begin + (rows - 1) * depthwise.sh + (depthwise.kh - 1) * depthwise.dh + 1;
    Strip strip;
    strip.inRow = std::clamp<std::int64_t>(begin, 0, expand.h - 1);
    strip.outRow = first;
    const std::int64_t stop = std::clamp(end, strip.inRow + 1, expand.h);
    depthwise.pt = strip.inRow - begin;
    depthwise.pb = end - stop;
    expand.n = depthwise.n = 1;
    expand.h = depthwise.h = stop - strip.inRow;
    expand = expandShape(expand, channels);
    depthwise = depthwiseShape(depthwise, channels);
    const View middle = channelsLast(expand.h, expand.w, kChunk);
    const CacheSizes caches = cacheSizes();
    strip.expand = bindAmxConv(expand, expandConfig(), toBFloat16(), inView_, middle, middle,
                               between, 1, caches);
    strip.depthwise = bindConv(depthwise, *depthwiseConfig(depthwise), middle, outView_, outView_,
                               after, 1, caches, toBFloat16());
    // Kernels read up to a line beyond the end.
    betweenBytes_ =
        std::max(betweenBytes_, static_cast<std::size_t>(middle.image * kBytes) + kAlignment);
    kernelBytes_ =
        std::max({kernelBytes_, static_cast<std::size_t>(strip.expand.plan.scratchBytes),
                  static_cast<std::size_t>(strip.depthwise.scratchFloats) * sizeof(float)});
    return strip;
  }

  Chunks chunks_;
  std::int64_t images_;
  BufferView in_, out_;
  View inView_, outView_;
  std::shared_ptr<const PackedChunks> packed_;
  TypedConvKernel kernel_;
  std::vector<Strip> whole_, last_;  ///< for all chunks but the last, and for that one
  std::size_t betweenBytes_ = 0, kernelBytes_ = 0;
};

class ExpandDepthwiseTactic final : public Tactic {
 public:
  std::string_view name() const override { return "conv_expand_depthwise_bf16_amx"; }

  void match(const MatchContext& context, NodeId id,
             std::vector<Candidate>& candidates) const override {
    const Graph& graph = context.graph;
    for (const TypedRegion& first : bfloat16Regions(context, id)) {
      const NodeId next = onlyConsumer(graph, first.output);
      if (next == kNone || first.inputs.size() > 1 || first.outputType != DataType::kBFloat16)
        continue;
      for (const TypedRegion& second : bfloat16Regions(context, next)) {
        if (second.inputs.size() > 1 || second.outputType != DataType::kBFloat16) continue;
        TypedRegion both = first;
        both.nodes.insert(both.nodes.end(), second.nodes.begin(), second.nodes.end());
        both.output = second.output;
        addCandidates(context, both, shapeOf(context, id), shapeOf(context, next), candidates);
      }
    }
  }

  std::shared_ptr<const void> pack(const Graph& graph, const Candidate& candidate) const override {
    const Node& first = graph.node(candidate.nodes.front());
    const Node& second = graph.node(depthwiseOf(graph, candidate.nodes));
    const ConvShape expand = weightShape(*first.as<Convolution>(), first.weights[0].count);
    const ConvShape depthwise = weightShape(*second.as<Convolution>(), second.weights[0].count);
    const auto biasOf = [](const Node& node, std::int64_t channel) {
      return node.weights[1].count ? node.weights[1].as<float>() + channel : nullptr;
    };
    const Chunks chunks{depthwise.co};
    auto packed = std::make_shared<PackedChunks>();
    std::size_t bytes = 0;
    for (std::int64_t i = 0; i < chunks.count(); ++i) {
      const ConvShape small = depthwiseShape(depthwise, chunks[i].count);
      const std::size_t place = bytes;
      bytes += aligned(amxPackedBytes(expandShape(expand, chunks[i].count), expandConfig()));
      packed->places.push_back({place, bytes});
      bytes += aligned(convPackedFloats(small, *depthwiseConfig(small)) * sizeof(float));
    }
    packed->memory = WeightMemory(bytes);
    for (std::int64_t i = 0; i < chunks.count(); ++i) {
      const auto [channel, count] = chunks[i];
      const PackedChunks::Place& place = packed->places[static_cast<std::size_t>(i)];
      std::byte* const to = packed->memory.data();
      packAmxFloat(expandShape(expand, count), expandConfig(),
                   first.weights[0].as<float>() + channel * expand.ci, biasOf(first, channel),
                   to + place.expand);
      const ConvShape small = depthwiseShape(depthwise, count);
      packConvBFloat16(small, *depthwiseConfig(small),
                       second.weights[0].as<float>() + channel * depthwise.kh * depthwise.kw,
                       biasOf(second, channel), reinterpret_cast<float*>(to + place.depthwise));
    }
    return packed;
  }

  std::unique_ptr<Step> bind(const BindContext& context) const override {
    const Graph& graph = context.graph;
    if (context.outputs[0].dims.volume() == 0)
      return makeStep(0, [](std::int64_t, const Worker&) {});
    long rows = 0;
    if (std::sscanf(context.candidate.parameters.c_str(), "rows=%ld", &rows) != 1 || rows < 1)
      throw Error(ErrorCode::kInternal,
                  fmt::format("[convolution] parameters '{}' are not understood",
                              context.candidate.parameters));
    const std::vector<NodeId>& nodes = context.candidate.nodes;
    const NodeId next = depthwiseOf(graph, nodes);
    const auto middle = std::find(nodes.begin(), nodes.end(), next);
    const Convolution& first = *graph.node(nodes.front()).as<Convolution>();
    const ConvShape expand = convShapeOf(first, context.inputs[0].dims);
    Dims between = context.inputs[0].dims;
    between[1] = expand.co;
    return std::make_unique<ExpandDepthwiseStep>(
        context, expand, convShapeOf(*graph.node(next).as<Convolution>(), between),
        epilogueOf(graph, {nodes.begin(), middle}), epilogueOf(graph, {middle, nodes.end()}), rows);
  }

 private:
  static ConvShape shapeOf(const MatchContext& context, NodeId id) {
    const Node& node = context.graph.node(id);
    const auto input = static_cast<std::size_t>(node.inputs[0]);
    return convShapeOf(*node.as<Convolution>(), context.shapes.values[input].dims);
  }

  /// The second convolution of a region.
  static NodeId depthwiseOf(const Graph& graph, const std::vector<NodeId>& nodes) {
    return *std::find_if(nodes.begin() + 1, nodes.end(),
                         [&](NodeId id) { return graph.node(id).as<Convolution>() != nullptr; });
  }

  void addCandidates(const MatchContext& context, const TypedRegion& region,
                     const ConvShape& expand, const ConvShape& depthwise,
                     std::vector<Candidate>& candidates) const {
    const bool isDepthwise = depthwise.groups == depthwise.co && depthwise.ci == depthwise.co;
    if (!isDepthwise || !amxSupports(expand, expandConfig()) || !depthwiseConfig(depthwise)) return;
    // With less between them both steps find what they read in the second-level cache; measured.
    const std::int64_t row = expand.w * expand.co * kBytes, l2 = cacheSizes().l2;
    if (expand.h * row < l2 / 4) return;
    Candidate c = candidateOf(context, expand, region, *this);
    c.flops += 2 * static_cast<double>(depthwise.macs());
    const Dims& in = context.shapes.values[static_cast<std::size_t>(region.inputs[0])].dims;
    c.inputLayouts = {Layout::channelsLast(region.inputType, in.rank())};
    c.outputLayouts = {Layout::channelsLast(region.outputType, in.rank())};
    constexpr double kClock = 2.5e9, kMacsACycle = 12, kStepSeconds = 3e-6;
    const double seconds =
        (amxCycles(expand, expandConfig()) + static_cast<double>(depthwise.macs()) / kMacsACycle) /
            (kClock * context.workers) +
        kStepSeconds;
    // Few rows are computed twice, those that two strips read.
    int place = 0;
    for (std::int64_t strips : {4, 2, 8}) {
      c.parameters = fmt::format("rows={}", divideUp(depthwise.outH(), strips));
      c.seconds = seconds * (1 + 0.02 * place++);
      candidates.push_back(c);
    }
  }
};

}  // namespace
}  // namespace cpu

void registerTactic_amx_expand_depthwise(cpu::TacticRegistry& registry) {
  const cpu::CpuFeatures& features = cpu::selectedCpu().features;
  if (features.amxTile && features.amxBf16)
    registry.add(std::make_unique<cpu::ExpandDepthwiseTactic>());
}

}  // namespace layerwise
