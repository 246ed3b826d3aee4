#include "passes/quantization.h"

#include <algorithm>
#include <cmath>

#include "passes/rewrite.h"

namespace layerwise {
namespace {

/// The 8-bit type of a value, found at the Quantize that it comes from. Values that a network's
/// 8-bit input feeds have none: their type is known to the shape rules alone.
std::optional<DataType> eightBitType(const Graph& graph, ValueId value) {
  for (;;) {
    NodeId producer = graph.value(value).producer;
    if (producer == kNone) {
      for (const GraphInput& input : graph.inputs)
        if (input.value == value) return input.info.type;
      return {};
    }
    const Node& node = graph.node(producer);
    if (auto* quantize = node.as<Quantize>()) return quantize->to;
    if (!movedInputs(node)) return {};
    value = node.inputs[0];
  }
}

}  // namespace

TensorQuantization quantizationOf(double min, double max) {
  min = std::min(min, 0.0);
  max = std::max(max, 0.0);
  auto scale = static_cast<float>((max - min) / 255);
  // Nothing but zeros, or numbers whose quantum float32 cannot invert.
  if (!(scale > 0) || !std::isfinite(1 / scale)) return {1.f / 255, 0};
  double zero = std::nearbyint(-min / static_cast<double>(scale));
  return {scale, static_cast<int>(std::clamp(zero, 0.0, 255.0))};
}

std::optional<TensorQuantization> tensorQuantization(const Node& node, const Graph& graph) {
  TensorQuantization quantization;
  if (auto* quantize = node.as<Quantize>()) {
    quantization.type = quantize->to;
  } else if (node.as<Dequantize>()) {
    auto type = eightBitType(graph, node.inputs[0]);
    if (!type) return {};
    quantization.type = *type;
  } else {
    return {};
  }
  std::vector<double> scales = readConstant(weightOf(node, 0));
  std::vector<double> zeros = readConstant(weightOf(node, 1));
  if (scales.size() != 1 || zeros.size() > 1) return {};
  quantization.scale = static_cast<float>(scales[0]);
  if (!zeros.empty()) {
    if (zeros[0] != std::trunc(zeros[0]) || std::abs(zeros[0]) > 255) return {};
    quantization.zeroPoint = static_cast<int>(zeros[0]);
  }
  if (!(quantization.scale > 0) || !std::isfinite(1 / quantization.scale)) return {};
  return quantization;
}

std::vector<ConstantData> quantizationWeights(const TensorQuantization& quantization) {
  return {floatConstant({quantization.scale}),
          floatConstant({static_cast<double>(quantization.zeroPoint)})};
}

std::size_t movedInputs(const Node& node) {
  if (!node.kind) return 0;
  if (auto* pooling = node.as<Pooling>()) return pooling->type == PoolingType::kMax ? 1 : 0;
  if (auto* resize = node.as<Resize>()) return resize->mode == InterpolationMode::kNearest ? 1 : 0;
  if (node.as<Concatenation>()) return node.inputs.size();
  bool moves =
      node.as<Slice>() || node.as<Shuffle>() || node.as<PixelShuffle>() || node.as<Identity>();
  return moves ? 1 : 0;
}

bool staysFloat(const Node& node) {
  return node.precision && *node.precision != DataType::kInt8;
}

void runQuantizationPasses(Graph& graph) {
  constexpr bool (*kPasses[])(Graph&) = {unifyEightBits, pushDequantize, hoistQuantize,
                                         cancelRequantization};
  bool changed = true;
  while (changed) {
    changed = false;
    for (auto pass : kPasses) changed |= pass(graph);
    graph.compact();
  }
  // What could be merged into a convolution has reached it by now.
  while (lowerQuantization(graph)) graph.compact();
}

}  // namespace layerwise
