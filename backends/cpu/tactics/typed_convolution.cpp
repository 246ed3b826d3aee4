// Convolutions whose input and weights are bfloat16, or bytes.
#include <fmt/format.h>

#include <algorithm>

#include "backends/cpu/cache_sizes.h"
#include "backends/cpu/conv_geometry.h"
#include "backends/cpu/conv_step.h"
#include "backends/cpu/conv_tactic.h"
#include "backends/cpu/fused_region.h"
#include "backends/cpu/kernel_table.h"
#include "backends/cpu/single_node.h"
#include "backends/cpu/step.h"
#include "backends/cpu/tactic_registry.h"
#include "backends/cpu/typed_region.h"

namespace layerwise {
namespace cpu {
namespace {

using TypedConvolutionStep = ConvStep<TypedConvBuffers, TypedConvKernel, PackedConvolution>;

const char* elementName(Element element) {
  return element == Element::kUInt8 ? "u8s8" : element == Element::kBFloat16 ? "bf16" : "f32bf16";
}

/// One instruction set's convolutions of an element type by one method.
class TypedConvolutionTactic : public Tactic {
 public:
  TypedConvolutionTactic(ConvMethod method, Element element, const TypedConvKernels& kernels,
                         double wordsACycle)
      : method_(method),
        element_(element),
        kernels_(kernels),
        wordsACycle_(wordsACycle),
        name_(fmt::format("conv_{}_{}_{}", convMethodName(method), elementName(element),
                          kernels.name)) {}

  std::string_view name() const override { return name_; }

 protected:
  ConvMethod method() const { return method_; }
  Element element() const { return element_; }
  const TypedConvKernels& kernels() const { return kernels_; }

  void addCandidates(const MatchContext& context, const ConvShape& shape, const TypedRegion& region,
                     std::vector<Candidate>& candidates) const {
    const Dims& in = context.shapes.values[static_cast<std::size_t>(region.inputs[0])].dims;
    const Dims& out = context.shapes.values[static_cast<std::size_t>(region.output)].dims;
    int place = 0;
    for (const ConvConfig& config :
         typedConvCandidates(shape, element_, kernels_.width, kernels_.registers)) {
      if (config.method != method_) continue;
      Candidate c = candidateOf(context, shape, region, *this);
      c.parameters = configText(config);
      if (region.inputs.size() > 1 && isDirect()) c.replacedInput = 1;
      double weights = static_cast<double>(shape.co * shape.ci / shape.groups * shape.kh *
                                           shape.kw * elementBytes(element_));
      const auto ofBlock = static_cast<double>(kernelWords(shape, config));
      double words =
          ofBlock * static_cast<double>(shape.n * shape.outH() * shape.outW() * shape.co);
      double seconds = words / (wordsACycle_ * 0.75 * 3e9 * context.workers);
      if (winogradOutput(method_)) {
        seconds = winogradCycles(shape) / (3e9 * context.workers);
        weights = 4 * static_cast<double>(shape.co * packedRows(shape, config));
      }
      // Of a block's words, the more there are the more match, and take three quarters of the time.
      if (method_ == ConvMethod::kMatched)
        seconds *= 1.02 - 0.25 * std::max(0.0, 1 - 16 * config.vectors / ofBlock);
      // Candidates come best guess first; a later one must not win on a tie.
      c.seconds = (std::max(seconds, weights / 12e9) + 3e-6) * (1 + 0.02 * place++);
      auto add = [&](const Layout& from, const Layout& to, double factor) {
        Candidate placed = c;
        placed.inputLayouts = {from};
        if (placed.inputs.size() > 1)
          placed.inputLayouts.push_back(Layout::channelsLast(region.residualType, out.rank()));
        placed.outputLayouts = {to};
        placed.seconds *= factor;
        candidates.push_back(std::move(placed));
      };
      Layout from = Layout::channelsLast(region.inputType, in.rank());
      add(from, Layout::channelsLast(region.outputType, out.rank()), 1);
      // Results go into planes as float32 only, the type of an engine's outputs; of what is read as
      // bfloat16 and as float32, one region is enough.
      const DataType scattered =
          element_ == Element::kBFloat16 ? DataType::kBFloat16 : DataType::kFloat32;
      const bool mayScatter = region.outputType == scattered;
      if (mayScatter && isDirect()) add(from, Layout::linear(DataType::kFloat32), 1.02);
      if (isDirect() && isOnePixel(in) && isOnePixel(out) && region.inputs.size() == 1)
        add(Layout::linear(region.inputType), Layout::linear(region.outputType), 1);
    }
  }

  bool isDirect() const { return cpu::isDirect(method_); }

  // Products, the transform of the input and that of the output.
  double winogradCycles(const ConvShape& s) const {
    const std::int64_t m = winogradOutput(method_), elements = (m + 2) * (m + 2);
    const auto patches =
        static_cast<double>(s.n * divideUp(s.outH(), m) * divideUp(s.outW(), m) * elements);
    const auto words = static_cast<double>(divideUp(s.ci, 2)), co = static_cast<double>(s.co);
    const double width = kernels_.width;
    return patches * (words * co / (0.75 * wordsACycle_) + 3 * words / width + 4 * co / width);
  }

  std::unique_ptr<Step> bindPlan(const BindContext& context, const ConvShape& shape,
                                 const Epilogue& epilogue, Conversion conversion,
                                 bool pairsFit) const {
    if (context.outputs[0].dims.volume() == 0)
      return makeStep(0, [](std::int64_t, const Worker&) {});
    const View residual = bindTypes(context, epilogue, conversion);
    ConvPlan plan = bindConv(shape, configOf(context.candidate), pixelViewOf(context.inputs[0]),
                             pixelViewOf(context.outputs[0]), residual, epilogue, context.workers,
                             cacheSizes(), conversion);
    return std::make_unique<TypedConvolutionStep>(context, plan,
                                                  kernels_.convolution(method_, pairsFit));
  }

  ConvConfig configOf(const Candidate& candidate) const {
    ConvConfig config = configFromText(candidate.parameters, method_, kernels_.width);
    config.element = element_;
    return config;
  }

  static std::shared_ptr<PackedConvolution> allocate(const ConvShape& shape,
                                                     const ConvConfig& config) {
    auto packed = std::make_shared<PackedConvolution>();
    packed->memory = WeightMemory(convPackedFloats(shape, config) * sizeof(float));
    return packed;
  }

 private:
  ConvMethod method_;
  Element element_;
  const TypedConvKernels& kernels_;
  double wordsACycle_;
  std::string name_;
};

/// Where the engine may compute in bfloat16: products of bfloat16, sums and epilogue in float32.
/// Depthwise, products of float32, and its input may be that, too.
class BFloat16ConvolutionTactic final : public TypedConvolutionTactic {
 public:
  using TypedConvolutionTactic::TypedConvolutionTactic;

  void match(const MatchContext& context, NodeId id,
             std::vector<Candidate>& candidates) const override {
    for (TypedRegion region : bfloat16Regions(context, id)) {
      if (element() == Element::kFloat32) region.inputType = DataType::kFloat32;
      const Convolution& a = *context.graph.node(id).as<Convolution>();
      const auto input = static_cast<std::size_t>(region.inputs[0]);
      addCandidates(context, convShapeOf(a, context.shapes.values[input].dims), region, candidates);
    }
  }

  std::shared_ptr<const void> pack(const Graph& graph, const Candidate& candidate) const override {
    const Node& node = graph.node(candidate.nodes.front());
    ConvConfig config = configOf(candidate);
    ConvShape shape = weightShape(*node.as<Convolution>(), node.weights[0].count);
    auto packed = allocate(shape, config);
    const float* bias = node.weights[1].count ? node.weights[1].as<float>() : nullptr;
    const auto pack = element() == Element::kFloat32 ? packConv : packConvBFloat16;
    pack(shape, config, node.weights[0].as<float>(), bias, packed->data());
    return packed;
  }

  std::unique_ptr<Step> bind(const BindContext& context) const override {
    const Node& node = context.graph.node(context.candidate.nodes.front());
    return bindPlan(context, convShapeOf(*node.as<Convolution>(), context.inputs[0].dims),
                    epilogueOf(context.graph, context.candidate.nodes), {}, true);
  }
};

/// The quantised convolution, to the bit.
class BytesConvolutionTactic final : public TypedConvolutionTactic {
 public:
  using TypedConvolutionTactic::TypedConvolutionTactic;

  void match(const MatchContext& context, NodeId id,
             std::vector<Candidate>& candidates) const override {
    for (const TypedRegion& region : bytesRegions(context, id)) {
      const Node& node = context.graph.node(id);
      const auto& a = *node.as<QuantizedConvolution>();
      const auto input = static_cast<std::size_t>(region.inputs[0]);
      ConvShape shape = convShapeOf(a.convolution, context.shapes.values[input].dims);
      const std::size_t before = candidates.size();
      addCandidates(context, shape, region, candidates);
      // Asked last, because it reads all weights.
      if (candidates.size() > before && !takes(shape, node.weights[0].as<std::int8_t>()))
        candidates.resize(before);
    }
  }

  std::shared_ptr<const void> pack(const Graph& graph, const Candidate& candidate) const override {
    const Node& node = graph.node(candidate.nodes.front());
    const QuantizedConvolution& a = *node.as<QuantizedConvolution>();
    ConvConfig config = configOf(candidate);
    ConvShape shape = weightShape(a.convolution, node.weights[0].count);
    auto packed = allocate(shape, config);
    const auto* weights = node.weights[0].as<std::int8_t>();
    const FoldedQuantization folded = foldedQuantization(node);
    packConvBytes(shape, config, weights, folded.scales.data(), folded.bias.data(),
                  static_cast<int>(a.inputZeroPoint), packed->data());
    // Where other methods ask for it, takes() has looked.
    if (method() == ConvMethod::kDepthwise)
      packed->pairsFit = pairsFitSixteenBits(shape, config, weights);
    return packed;
  }

  std::unique_ptr<Step> bind(const BindContext& context) const override {
    const Node& node = context.graph.node(context.candidate.nodes.front());
    const FoldedQuantization folded = foldedQuantization(node);
    const auto& packed = *static_cast<const PackedConvolution*>(context.packed.get());
    const ConvShape shape = convShapeOf(folded.layer.convolution, context.inputs[0].dims);
    return bindPlan(context, shape, epilogueOf(folded.layer),
                    conversionOf(folded, node.weights[0].count / shape.co), packed.pairsFit);
  }

 private:
  bool takes(const ConvShape& shape, const std::int8_t* weights) const {
    if (winogradOutput(method()))
      return isWinogradShape(shape) && winogradSumsFit(shape, method(), weights);
    if (kernels().convolution(method(), false)) return true;
    return pairsFitSixteenBits(shape, {}, weights);
  }
};

}  // namespace
}  // namespace cpu

void registerTactic_typed_convolution(cpu::TacticRegistry& registry) {
  using namespace cpu;
  const CpuChoice& cpu = selectedCpu();
  const TypedConvKernels& pairs = typedConvKernels(Element::kBFloat16, cpu);
  const TypedConvKernels& bytes = typedConvKernels(Element::kUInt8, cpu);
  const bool vectors = cpu.isa != Isa::kPortable;
  // Two multiplications a cycle; without instructions for the type, one of two or three.
  const double pairRate = hasBFloat16Arithmetic(cpu) ? 2 : 0.8;
  const bool vnni = cpu.features.avx512Vnni || cpu.features.avxVnni;
  const double byteRate = vnni ? 2 : 0.9;
  CpuChoice without = cpu;
  without.features.avx512Bf16 = false;
  const TypedConvKernels& stored = typedConvKernels(Element::kBFloat16, without);
  registry.add(std::make_unique<BFloat16ConvolutionTactic>(
      ConvMethod::kDirect, Element::kBFloat16, pairs, vectors ? pairRate * pairs.width : 0.5));
  // Some processors multiply float32 faster than pairs of bfloat16.
  if (hasBFloat16Arithmetic(cpu))
    registry.add(std::make_unique<BFloat16ConvolutionTactic>(
        ConvMethod::kDirect, Element::kBFloat16, stored, 0.8 * stored.width));
  registry.add(std::make_unique<BytesConvolutionTactic>(ConvMethod::kDirect, Element::kUInt8, bytes,
                                                        vectors ? byteRate * bytes.width : 0.3));
  // Depthwise, bfloat16 is multiplied as float32, and the taps of bytes are put together first.
  for (Element element : {Element::kBFloat16, Element::kFloat32})
    registry.add(std::make_unique<BFloat16ConvolutionTactic>(ConvMethod::kDepthwise, element, pairs,
                                                             vectors ? 0.8 * pairs.width : 0.5));
  registry.add(
      std::make_unique<BytesConvolutionTactic>(ConvMethod::kDepthwise, Element::kUInt8, bytes,
                                               vectors ? 0.3 * byteRate * bytes.width : 0.1));
  if (bytes.matched)
    registry.add(std::make_unique<BytesConvolutionTactic>(ConvMethod::kMatched, Element::kUInt8,
                                                          bytes, byteRate * bytes.width));
  for (ConvMethod method : {ConvMethod::kWide, ConvMethod::kWinograd2, ConvMethod::kWinograd4})
    if (bytes.convolution(method, true))
      registry.add(std::make_unique<BytesConvolutionTactic>(method, Element::kUInt8, bytes,
                                                            (vnni ? 2 : 1.5) * bytes.width));
}

}  // namespace layerwise
