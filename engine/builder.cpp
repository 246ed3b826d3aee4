#include "layerwise/builder.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/compile.h"
#include "engine/make_graph.h"
#include "engine/network_state.h"
#include "layerwise/error.h"
#include "passes/passes.h"
#include "passes/quantization.h"
#include "quantization/bfloat16_weights.h"
#include "quantization/quantize_graph.h"

namespace layerwise {
namespace {

/// Checks the profile against the network's inputs and gives every input its range.
void applyProfile(const OptimizationProfile& profile, Graph& graph) {
  for (const auto& [name, range] : profile.inputs)
    if (std::none_of(graph.inputs.begin(), graph.inputs.end(),
                     [&](const GraphInput& i) { return graph.value(i.value).name == name; }))
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("[profile] the network has no input '{}'", name));
  for (GraphInput& input : graph.inputs) {
    const std::string& name = graph.value(input.value).name;
    auto found = profile.inputs.find(name);
    if (found == profile.inputs.end()) {
      if (input.info.dims.isDynamic())
        throw Error(ErrorCode::kInvalidArgument,
                    fmt::format("[profile] input '{}' is {}: min, opt and max shapes are needed",
                                name, toString(input.info.dims)));
      input.range = {input.info.dims, input.info.dims, input.info.dims};
      continue;
    }
    input.range = found->second;
    for (const Dims* dims : {&input.range.min, &input.range.opt, &input.range.max})
      if (dims->rank() != input.info.dims.rank())
        throw Error(ErrorCode::kInvalidShape,
                    fmt::format("[profile] input '{}' is {}, the profile says {}", name,
                                toString(input.info.dims), toString(*dims)));
    for (int axis = 0; axis < input.info.dims.rank(); ++axis) {
      std::int64_t low = input.range.min[axis], opt = input.range.opt[axis],
                   high = input.range.max[axis];
      bool open = input.info.dims[axis] == -1;
      if (low < 0 || low > opt || opt > high ||
          (!open && (low != high || low != input.info.dims[axis])))
        throw Error(ErrorCode::kInvalidShape,
                    fmt::format("[profile] input '{}' is {}: min {}, opt {}, max {} do not fit it",
                                name, toString(input.info.dims), toString(input.range.min),
                                toString(input.range.opt), toString(input.range.max)));
    }
  }
}

/// The nodes of regions that read or write bfloat16.
std::vector<NodeId> nodesInBFloat16(const Selection& selection) {
  std::vector<NodeId> nodes;
  const auto isBFloat16 = [](const Layout& layout) { return layout.type == DataType::kBFloat16; };
  for (const Region& region : selection.regions) {
    const Candidate& c = region.chosen;
    if (std::any_of(c.inputLayouts.begin(), c.inputLayouts.end(), isBFloat16) ||
        std::any_of(c.outputLayouts.begin(), c.outputLayouts.end(), isBFloat16))
      nodes.insert(nodes.end(), c.nodes.begin(), c.nodes.end());
  }
  return nodes;
}

}  // namespace

std::shared_ptr<const Engine> buildEngine(const Network& network, const BuilderConfig& config) {
  if (config.optimizationLevel < 0 || config.optimizationLevel > 5)
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format("[builder] optimisation level {} is outside 0...5", config.optimizationLevel));
  if (!isFloat(config.precision))
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("[builder] precision {} is not a floating-point type",
                            toString(config.precision)));
  if (!(config.maxDrop >= 0))
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("[builder] maxDrop {} is below 0", config.maxDrop));
  const NetworkState& definition = network.state();
  if (definition.outputs.empty())
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("[network {}] has no output", network.name()));
  Graph graph = makeGraph(definition, definition.layers.size(), WeightCopy::kCopy);
  graph.numerics = {config.precision, config.winograd, config.tf32, config.weightOnly};
  applyProfile(config.profile, graph);
  // Shapes first: an error then speaks of the user's layers, not of what the passes made of them.
  for (auto end : {&ShapeRange::min, &ShapeRange::opt, &ShapeRange::max})
    inferShapes(graph, inputDims(graph, end));
  runPasses(graph);
  if (config.int8) quantizeGraph(graph, config);
  runQuantizationPasses(graph);
  return compileEngine(std::move(graph),
                       {.device = config.device,
                        .threads = config.threads,
                        .level = config.optimizationLevel,
                        .cache = config.timingCache,
                        .logger = config.logger,
                        .progress = config.progress,
                        .onChosen = [&](Graph& chosen, const Selection& selection) {
                          roundWeightsToBFloat16(chosen, nodesInBFloat16(selection),
                                                 config.threads);
                        }});
}

}  // namespace layerwise
