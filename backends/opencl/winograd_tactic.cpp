#include "backends/opencl/winograd_tactic.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "backends/opencl/conv_candidates.h"
#include "backends/opencl/conv_weights.h"
#include "layerwise/error.h"

namespace layerwise::opencl {
namespace {

// Passes beyond this cost a few launches each; the whole would cost memory.
constexpr std::int64_t kMostWorkspaceBytes = std::int64_t{256} << 20;

struct Parameters {
  std::int64_t points;  ///< of a patch's side
  std::int64_t pass;    ///< most patches that are under way at a time
  std::string way;

  std::string text() const { return fmt::format("points={} pass={} {}", points, pass, way); }
  static Parameters parse(const std::string& text) {
    int points = 0, pass = 0, end = 0;
    if (std::sscanf(text.c_str(), "points=%d pass=%d %n", &points, &pass, &end) != 2 ||
        (points != 4 && points != 6) || pass < 1 || end == 0)
      throw Error(ErrorCode::kInternal,
                  fmt::format("[opencl winograd] parameters '{}' are not understood", text));
    return {points, pass, text.substr(static_cast<std::size_t>(end))};
  }
};

}  // namespace

void WinogradTactic::match(const MatchContext& context, NodeId id,
                           std::vector<Candidate>& candidates) const {
  const Convolution* a = context.graph.node(id).as<Convolution>();
  if (!a || !context.graph.numerics.winograd) return;
  NodeInfo info(context.graph, context.shapes, id);
  if (!allFloat(info) || info.outputs[0].dims.volume() == 0) return;
  const CostModel cost(device_.info());
  for (std::int64_t points : {6, 4}) {
    auto problem = winogradProblem(*a, info.inputs[0].dims, points);
    if (!problem) return;
    // One of each: what else could be measured are the direct ones.
    const Way way = bestWay(*problem);
    const Parameters parameters{
        points, std::max<std::int64_t>(1, kMostWorkspaceBytes / problem->bytesOfPatch()), way.text};
    const double transforms =
        2 * cost.launchSeconds + problem->transformedBytes() / bytesPerSecond();
    addConvCandidates(*this, context, id, parameters.text(), problem->flops(),
                      transforms + way.seconds, cost, candidates);
  }
}

std::shared_ptr<const void> WinogradTactic::pack(const Graph& graph,
                                                 const Candidate& candidate) const {
  const Node& node = graph.node(candidate.nodes.front());
  const Convolution& a = *node.as<Convolution>();
  const Parameters parameters = Parameters::parse(candidate.parameters);
  WinogradProblem p{.points = parameters.points};
  p.inChannels = node.weights[0].count / (9 * a.outputs), p.outChannels = a.outputs;
  return uploadWeights(device_, node, packed(p, node, parameters.way), biasOf(node, a.outputs));
}

std::unique_ptr<Step> WinogradTactic::bind(const BindContext& context) const {
  if (context.outputs[0].dims.volume() == 0) return std::make_unique<ClStep>();
  const Node& node = context.graph.node(context.candidate.nodes.front());
  const Parameters parameters = Parameters::parse(context.candidate.parameters);
  const WinogradProblem p =
      *winogradProblem(*node.as<Convolution>(), context.inputs[0].dims, parameters.points);
  const auto& weights = *static_cast<const PackedWeights*>(context.packed.get());
  return std::make_unique<ClStep>(winogradStep(
      device_, context, p, parameters.pass, weights.bias,
      [&](std::int64_t patches, const Argument& transformed, const Argument& products) {
        return multiply(p, parameters.way, patches, transformed, weights.weights, products,
                        node.name);
      }));
}

}  // namespace layerwise::opencl
