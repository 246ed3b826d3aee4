#include "backends/cpu/typed_region.h"

#include <algorithm>
#include <cmath>

#include "backends/cpu/fused_region.h"
#include "backends/cpu/pool_plan.h"
#include "backends/cpu/tensor_view.h"
#include "backends/shared/fused_region.h"

namespace layerwise::cpu {
namespace {

/// Whether a plugin or the engine's user reads the value, who take it as float32 alone.
bool isReadAsFloat32(const Graph& graph, ValueId value) {
  const std::vector<NodeId>& readers = graph.value(value).consumers;
  return graph.isOutput(value) || std::any_of(readers.begin(), readers.end(), [&](NodeId reader) {
           return graph.node(reader).as<PluginLayer>() != nullptr;
         });
}

/// Whether an image's convolution is read by a depthwise one alone. All channels behind that are
/// made of its few, nine at a time, and its rounding would be most of a network's error: in
/// MobileNetV2 35 instead of 39 dB, and another answer.
bool feedsDepthwise(const Graph& graph, const Node& node, ValueId output) {
  if (graph.value(node.inputs[0]).producer != kNone) return false;
  const NodeId next = onlyConsumer(graph, output);
  const Convolution* reader = next == kNone ? nullptr : graph.node(next).as<Convolution>();
  return reader && reader->groups > 1 && reader->groups == reader->outputs;
}

}  // namespace

std::vector<TypedRegion> bfloat16Regions(const MatchContext& context, NodeId id) {
  const Node& node = context.graph.node(id);
  if (!node.as<Convolution>() || context.graph.computeType(id) != DataType::kBFloat16) return {};
  const TensorInfo& in = context.shapes.values[static_cast<std::size_t>(node.inputs[0])];
  if (in.type != DataType::kFloat32 || in.dims.rank() > 4 || in.dims.volume() == 0) return {};
  std::vector<TypedRegion> regions;
  for (const FusedRegion& fused : fusedRegions(context, id)) {
    if (feedsDepthwise(context.graph, node, fused.output)) return {};
    TypedRegion region{fused.nodes,         {node.inputs[0]},    fused.output,
                       DataType::kBFloat16, DataType::kBFloat16, DataType::kBFloat16};
    if (fused.residual != kNone) region.inputs.push_back(fused.residual);
    regions.push_back(region);
    if (!isReadAsFloat32(context.graph, region.output)) continue;
    region.outputType = DataType::kFloat32;
    regions.push_back(std::move(region));
  }
  return regions;
}

std::vector<TypedRegion> bytesRegions(const MatchContext& context, NodeId id) {
  const Node& node = context.graph.node(id);
  const QuantizedConvolution* a = node.as<QuantizedConvolution>();
  if (!a || (a->activated && !epilogueOf(a->activation))) return {};
  const auto info = [&](ValueId value) -> const TensorInfo& {
    return context.shapes.values[static_cast<std::size_t>(value)];
  };
  const TensorInfo& in = info(node.inputs[0]);
  if (in.dims.rank() < 3 || in.dims.rank() > 4 || in.dims.volume() == 0) return {};
  return {
      {{id}, node.inputs, node.outputs[0], in.type, info(node.inputs.back()).type, a->outputType}};
}

std::optional<TypedRegion> withPooling(const MatchContext& context, const TypedRegion& region) {
  const NodeId next = onlyConsumer(context.graph, region.output);
  if (next == kNone) return std::nullopt;
  const Node& node = context.graph.node(next);
  const Pooling* a = node.as<Pooling>();
  if (!a || a->type != PoolingType::kMax || region.outputType != region.inputType)
    return std::nullopt;
  const bool sameType =
      region.outputType == DataType::kUInt8 || context.graph.computeType(next) == region.outputType;
  const Dims& in = context.shapes.values[static_cast<std::size_t>(region.output)].dims;
  if (!sameType || !canPool(*a, in)) return std::nullopt;
  TypedRegion pooled = region;
  pooled.nodes.push_back(next);
  pooled.output = node.outputs[0];
  pooled.pooling = a;
  return pooled;
}

const Pooling* takePooling(const Graph& graph, std::vector<NodeId>& nodes) {
  const Pooling* a = graph.node(nodes.back()).as<Pooling>();
  if (a) nodes.pop_back();
  return a;
}

Candidate candidateOf(const MatchContext& context, const ConvShape& shape,
                      const TypedRegion& region, const Tactic& tactic) {
  const auto bytes = [&](ValueId value, DataType type) {
    const Dims& dims = context.shapes.values[static_cast<std::size_t>(value)].dims;
    return static_cast<double>(dims.volume()) * static_cast<double>(sizeOf(type));
  };
  Candidate c;
  c.tactic = &tactic;
  c.nodes = region.nodes;
  c.inputs = region.inputs;
  c.outputs = {region.output};
  c.flops = 2 * static_cast<double>(shape.macs());
  c.bytes = static_cast<double>(shape.co * shape.ci / shape.groups * shape.kh * shape.kw) *
                static_cast<double>(sizeOf(region.inputType)) +
            bytes(region.inputs[0], region.inputType) + bytes(region.output, region.outputType);
  if (region.inputs.size() > 1) c.bytes += bytes(region.inputs[1], region.residualType);
  return c;
}

Epilogue epilogueOf(const QuantizedConvolution& a) {
  Epilogue epilogue;
  if (a.activated) epilogue = *epilogueOf(a.activation);
  if (a.residual == ResidualOrder::kBeforeActivation)
    epilogue.residual = ResidualPlace::kBeforeActivation;
  if (a.residual == ResidualOrder::kAfterActivation)
    epilogue.residual = ResidualPlace::kAfterActivation;
  return epilogue;
}

Conversion conversionOf(const FoldedQuantization& folded, std::int64_t terms) {
  const QuantizedConvolution& a = folded.layer;
  Conversion c;
  c.inputZero = static_cast<int>(a.inputZeroPoint);
  c.residualZero = static_cast<int>(a.residualZeroPoint);
  c.outputZero = static_cast<int>(a.outputZeroPoint);
  c.residualScale = static_cast<float>(a.residualScale);
  c.outputInverse = 1 / static_cast<float>(a.outputScale);
  const double largestSum = 255.0 * 128 * static_cast<double>(terms);
  c.fitsInteger = true;
  for (std::size_t i = 0; i < folded.scales.size(); ++i) {
    const double largest = std::abs(largestSum * folded.scales[i]) +
                           std::abs(double{folded.bias[i]}) + 255 * a.residualScale;
    if (!(largest * c.outputInverse < 2e9)) c.fitsInteger = false;
  }
  return c;
}

Element elementOf(DataType type) {
  return type == DataType::kUInt8      ? Element::kUInt8
         : type == DataType::kBFloat16 ? Element::kBFloat16
                                       : Element::kFloat32;
}

View pixelViewOf(const BufferView& view) {
  View v = viewOf(view);
  if (isOnePixel(view.dims)) v.row = v.pixel = v.image;
  return v;
}

bool isOnePixel(const Dims& dims) {
  for (int axis = 2; axis < dims.rank(); ++axis)
    if (dims[axis] != 1) return false;
  return true;
}

View bindTypes(const BindContext& context, const Epilogue& epilogue, Conversion& conversion) {
  conversion.output = elementOf(context.outputs[0].type);
  if (epilogue.residual == ResidualPlace::kNone) return {};
  conversion.residual = elementOf(context.inputs[1].type);
  return pixelViewOf(context.inputs[1]);
}

}  // namespace layerwise::cpu
