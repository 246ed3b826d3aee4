#include "quantization/float_heads.h"

#include "layerwise/layers.h"
#include "passes/quantization.h"
#include "passes/rewrite.h"

namespace layerwise {

void keepHeadsFloat(Graph& graph, DataType type) {
  std::vector<NodeId> plugins;
  for (NodeId id = 0; id < static_cast<NodeId>(graph.nodes.size()); ++id)
    if (graph.node(id).as<PluginLayer>()) plugins.push_back(id);
  const std::vector<NodeId> layers = quantizableLayers(graph, {});
  const std::vector<bool> isDecoded = nodesThatFeed(graph, plugins);
  const std::vector<bool> feedsAnother = nodesThatFeed(graph, layers);
  for (NodeId id : layers) {
    const auto i = static_cast<std::size_t>(id);
    Node& node = graph.node(id);
    if (node.as<Convolution>() && isDecoded[i] && !feedsAnother[i] && !node.precision)
      node.precision = type;
  }
}

}  // namespace layerwise
