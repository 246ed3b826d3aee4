#include "quantization/float_residuals.h"

#include <algorithm>

#include "passes/quantization.h"
#include "passes/rewrite.h"
#include "passes/shape_facts.h"

namespace layerwise {
namespace {

constexpr double kMostNoise = 2.5e-4;  // of the variance: 36 dB

bool isSum(const Node& node) {
  auto* sum = node.as<ElementWise>();
  return sum && sum->operation == ElementWiseOperation::kSum;
}

}  // namespace

std::vector<ValueId> residuals(const Graph& graph) {
  const ShapeFacts facts(graph);
  const std::vector<NodeId> layers = quantizableLayers(graph, {});
  std::vector<ValueId> found;
  for (ValueId id = 0; id < static_cast<ValueId>(graph.values.size()); ++id) {
    const Value& value = graph.value(id);
    if (value.producer == kNone || value.range || graph.isOutput(id) || facts.rank(id) < 3 ||
        !facts.fixedDim(id, 1))
      continue;
    bool added = false, read = false, other = false;
    for (NodeId reader : value.consumers) {
      const Node& node = graph.node(reader);
      bool layer =
          node.as<Convolution>() && std::binary_search(layers.begin(), layers.end(), reader);
      read |= layer;
      added |= isSum(node);
      other |= !layer && !isSum(node);
    }
    if (added && read && !other) found.push_back(id);
  }
  return found;
}

bool isHeldBadly(const ChannelStatistics& seen) {
  const double quantum = (seen.usualHigh() - seen.usualLow()) / 255;
  double variance = 0;
  for (std::size_t c = 0; c < seen.channels().size(); ++c) variance += seen.variance(c);
  variance /= static_cast<double>(seen.channels().size());
  return quantum * quantum / 12 > kMostNoise * variance;
}

ValueId copyForLayers(Graph& graph, ValueId residual, const std::string& name) {
  const ShapeFacts facts(graph);
  const std::int64_t channels = *facts.fixedDim(residual, 1);
  Convolution ones{{.outputs = channels, .groups = channels}};
  for (int axis = 2; axis < facts.rank(residual); ++axis) ones.kernel.append(1);
  const ValueId copy = graph.addValue(name);
  for (NodeId reader : std::vector<NodeId>(graph.value(residual).consumers))
    if (Node& node = graph.node(reader); node.as<Convolution>()) node.inputs[0] = copy;
  Node node{.kind = &LayerRegistry::instance().at(Convolution::kKind),
            .name = name,
            .inputs = {residual},
            .outputs = {copy},
            .weights = {floatConstant(std::vector<double>(static_cast<std::size_t>(channels), 1)),
                        ConstantData()},
            .precision = DataType::kFloat32};
  node.setAttributes(std::move(ones));
  graph.nodes.insert(graph.nodes.begin() + graph.value(residual).producer + 1, std::move(node));
  graph.connect();
  return copy;
}

std::string nameOfCopy(const std::string& residual) {
  return residual + ":copy";
}

}  // namespace layerwise
