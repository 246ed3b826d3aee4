// Quantize and Dequantize of images with one scale, between float32 and uint8, on vectors.
#include <fmt/format.h>

#include <cmath>

#include "backends/cpu/kernel_table.h"
#include "backends/cpu/single_node.h"
#include "backends/cpu/tactic_registry.h"
#include "backends/cpu/tensor_view.h"

namespace layerwise {
namespace cpu {
namespace {

constexpr double kBytesPerSecond = 12e9;
constexpr double kStepSeconds = 2e-6;

struct Scale {
  float scale, zero;
};

class QuantizationTactic final : public Tactic {
 public:
  QuantizationTactic()
      : isa_(selectedIsa()), name_(fmt::format("quantization_{}", isaName(isa_))) {}
  std::string_view name() const override { return name_; }

  void match(const MatchContext& context, NodeId id,
             std::vector<Candidate>& candidates) const override {
    const Node& node = context.graph.node(id);
    if (!node.as<Quantize>() && !node.as<Dequantize>()) return;
    if (!scaleOf(node)) return;
    const TensorInfo& in = context.shapes.values[static_cast<std::size_t>(node.inputs[0])];
    const TensorInfo& out = context.shapes.values[static_cast<std::size_t>(node.outputs[0])];
    const TensorInfo& bytes = node.as<Quantize>() ? out : in;
    const TensorInfo& floats = node.as<Quantize>() ? in : out;
    if (bytes.type != DataType::kUInt8 || floats.type != DataType::kFloat32) return;
    int rank = in.dims.rank();
    if (rank < 3 || rank > 4) return;
    Candidate c;
    c.tactic = this;
    c.nodes = {id};
    c.inputs = {node.inputs[0]};
    c.outputs = {node.outputs[0]};
    c.bytes = 5 * static_cast<double>(in.dims.volume());
    c.flops = static_cast<double>(in.dims.volume());
    c.seconds = kStepSeconds + c.bytes / (kBytesPerSecond * context.workers);
    Layout plane = Layout::linear(DataType::kFloat32);
    Layout last = Layout::channelsLast(DataType::kFloat32, rank);
    Layout quantized = Layout::channelsLast(DataType::kUInt8, rank);
    auto add = [&](const Layout& floatLayout, const Layout& byteLayout, double factor) {
      Candidate placed = c;
      placed.inputLayouts = {node.as<Quantize>() ? floatLayout : byteLayout};
      placed.outputLayouts = {node.as<Quantize>() ? byteLayout : floatLayout};
      placed.seconds *= factor;
      candidates.push_back(std::move(placed));
    };
    add(last, quantized, 1);
    // Few channels leave most lanes of a transposition empty, but for pictures' three.
    constexpr double kFewChannels = 4;
    add(plane, quantized, in.dims[1] < 16 && in.dims[1] != 3 ? kFewChannels : 1);
    add(plane, Layout::linear(DataType::kUInt8), 1);
  }

  std::unique_ptr<Step> bind(const BindContext& context) const override {
    const Node& node = context.graph.node(context.candidate.nodes.front());
    BufferView in = context.inputs[0], out = context.outputs[0];
    ImageSize size(in.dims);
    Scale scale = *scaleOf(node);
    ConvertPlan plan;
    plan.n = size.n, plan.h = size.h, plan.w = size.w, plan.c = size.c;
    plan.in = viewOf(in), plan.out = viewOf(out);
    bool quantizes = node.as<Quantize>();
    plan.from = quantizes ? Element::kFloat32 : Element::kUInt8;
    plan.to = quantizes ? Element::kUInt8 : Element::kFloat32;
    plan.zero = static_cast<int>(scale.zero);
    plan.factor = quantizes ? 1 / scale.scale : scale.scale;
    ConvertKernel convert = kernels(isa_).typed->convert;
    std::int64_t tiles = in.dims.volume() == 0 ? 0 : plan.tiles();
    return makeStep(tiles, [=](std::int64_t tile, const Worker& worker) {
      convert(plan, worker.data<const void>(in), worker.data<void>(out), tile);
    });
  }

 private:
  /// The node's one scale and zero point; nothing where it has several or none that bytes have.
  static std::optional<Scale> scaleOf(const Node& node) {
    std::vector<float> scales = floatWeights(node.weights[0]),
                       zeros = floatWeights(node.weights[1]);
    if (scales.size() != 1 || zeros.size() > 1) return std::nullopt;
    Scale found{scales[0], zeros.empty() ? 0 : zeros[0]};
    bool whole = found.zero >= 0 && found.zero <= 255 && found.zero == std::trunc(found.zero);
    return whole ? std::optional(found) : std::nullopt;
  }

  Isa isa_;
  std::string name_;
};

}  // namespace
}  // namespace cpu

void registerTactic_quantization(cpu::TacticRegistry& registry) {
  registry.add(std::make_unique<cpu::QuantizationTactic>());
}

}  // namespace layerwise
