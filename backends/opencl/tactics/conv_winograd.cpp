#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "backends/opencl/conv_candidates.h"
#include "backends/opencl/conv_gemm.h"
#include "backends/opencl/conv_weights.h"
#include "backends/opencl/tactic_registry.h"
#include "backends/opencl/winograd.h"
#include "layerwise/error.h"

namespace layerwise {
namespace opencl {
namespace {

// Passes beyond this cost a few launches each; the whole would cost memory.
constexpr std::int64_t kMostWorkspaceBytes = std::int64_t{256} << 20;

struct Parameters {
  std::int64_t points;  ///< of a patch's side
  std::int64_t pass;    ///< most patches that are under way at a time
  ConvGemmTile tile;

  std::string text() const {
    return fmt::format("points={} pass={} {}", points, pass, tile.text());
  }
  static Parameters parse(const std::string& text) {
    int points = 0, pass = 0;
    if (std::sscanf(text.c_str(), "points=%d pass=%d", &points, &pass) != 2 ||
        (points != 4 && points != 6) || pass < 1)
      throw Error(ErrorCode::kInternal,
                  fmt::format("[cl_conv_winograd] parameters '{}' are not understood", text));
    return {points, pass, ConvGemmTile::parse(text)};
  }
};

/// The products by kernels/conv_gemm.cl, as a pointwise convolution with a group an element.
class ConvWinogradTactic final : public Tactic {
 public:
  explicit ConvWinogradTactic(const Device& device) : device_(device) {}
  std::string_view name() const override { return "cl_conv_winograd"; }

  void match(const MatchContext& context, NodeId id,
             std::vector<Candidate>& candidates) const override {
    const Convolution* a = context.graph.node(id).as<Convolution>();
    if (!a || !context.graph.numerics.winograd) return;
    NodeInfo info(context.graph, context.shapes, id);
    if (!allFloat(info) || info.outputs[0].dims.volume() == 0) return;
    for (std::int64_t points : {6, 4}) {
      auto problem = winogradProblem(*a, info.inputs[0].dims, points);
      if (!problem) return;
      // One of each: what else could be measured are the direct ones.
      const Parameters parameters{
          points, std::max<std::int64_t>(1, kMostWorkspaceBytes / problem->bytesOfPatch()),
          bestTile(*problem)};
      addConvCandidates(*this, context, id, parameters.text(), problem->flops(),
                        winogradTransformSeconds(*problem, device_.info()) +
                            productSeconds(*problem, parameters.tile),
                        CostModel(device_.info()), candidates);
    }
  }

  std::shared_ptr<const void> pack(const Graph& graph, const Candidate& candidate) const override {
    const Node& node = graph.node(candidate.nodes.front());
    const Convolution& a = *node.as<Convolution>();
    const auto [points, pass, tile] = Parameters::parse(candidate.parameters);
    WinogradProblem p{.points = points};
    p.inChannels = node.weights[0].count / (9 * a.outputs), p.outChannels = a.outputs;
    return uploadWeights(device_, node,
                         transformedWeights(p, node, roundUp(p.inPitch(), tile.depth),
                                            roundUp(p.outPitch(), tile.columns)),
                         biasOf(node, a.outputs));
  }

  std::unique_ptr<Step> bind(const BindContext& context) const override {
    if (context.outputs[0].dims.volume() == 0) return std::make_unique<ClStep>();
    const Node& node = context.graph.node(context.candidate.nodes.front());
    const Parameters parameters = Parameters::parse(context.candidate.parameters);
    const WinogradProblem p =
        *winogradProblem(*node.as<Convolution>(), context.inputs[0].dims, parameters.points);
    const auto& packed = *static_cast<const PackedWeights*>(context.packed.get());
    return std::make_unique<ClStep>(winogradStep(
        device_, context, p, parameters.pass, packed.bias,
        [&](std::int64_t patches, const Argument& transformed, const Argument& products) {
          ConvGemm conv{.output = {products}, .input = {transformed}, .weights = packed.weights};
          conv.groups = p.elements();
          conv.vectors = true;
          ConvGemmArgument& shape = conv.shape;
          shape.pixels = shape.window.in[2] = shape.window.out[2] = toInt(patches);
          shape.groupInputs = toInt(p.inPitch()), shape.groupOutputs = toInt(p.outPitch());
          shape.from.c = shape.to.c = 1;
          shape.from.x = toInt(p.elements() * p.inPitch());
          shape.to.x = toInt(p.elements() * p.outPitch());
          return convGemmLaunch(device_, parameters.tile, conv, node.name);
        }));
  }

 private:
  double productSeconds(const WinogradProblem& p, const ConvGemmTile& tile) const {
    return convGemmSeconds({static_cast<double>(p.patches()), static_cast<double>(p.outPitch()),
                            static_cast<double>(p.inPitch()), static_cast<double>(p.elements())},
                           tile, device_.info());
  }

  ConvGemmTile bestTile(const WinogradProblem& problem) const {
    auto tiles = convGemmTiles(device_.info());
    return *std::min_element(tiles.begin(), tiles.end(),
                             [&](const ConvGemmTile& a, const ConvGemmTile& b) {
                               return productSeconds(problem, a) < productSeconds(problem, b);
                             });
  }

  const Device& device_;
};

}  // namespace
}  // namespace opencl

void registerTactic_conv_winograd(opencl::TacticRegistry& registry) {
  registry.add(std::make_unique<opencl::ConvWinogradTactic>(registry.device()));
}

}  // namespace layerwise
