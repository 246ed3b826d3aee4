#include "backends/opencl/conv_gemm.h"

#include <algorithm>

#include "backends/opencl/conv_candidates.h"
#include "backends/opencl/conv_weights.h"
#include "backends/opencl/tactic_registry.h"

namespace layerwise {
namespace opencl {
namespace {

class ConvGemmTactic final : public Tactic {
 public:
  explicit ConvGemmTactic(const Device& device) : device_(device) {}
  std::string_view name() const override { return "cl_conv_gemm"; }

  void match(const MatchContext& context, NodeId id,
             std::vector<Candidate>& candidates) const override {
    const Node& node = context.graph.node(id);
    const Convolution* a = node.as<Convolution>();
    if (!a) return;
    NodeInfo info(context.graph, context.shapes, id);
    if (!allFloat(info)) return;
    const Dims &in = info.inputs[0].dims, &out = info.outputs[0].dims;
    ConvGemmWork work{static_cast<double>(out.volume() / std::max<std::int64_t>(1, out[1])),
                      static_cast<double>(a->outputs / a->groups),
                      static_cast<double>(in[1] / a->groups * a->kernel.volume()),
                      static_cast<double>(a->groups)};
    CostModel cost(device_.info());
    for (const ConvGemmTile& tile : convGemmTiles(device_.info()))
      addConvCandidates(*this, context, id, tile.text(), work.flops(),
                        convGemmSeconds(work, tile, device_.info()), cost, candidates);
  }

  std::shared_ptr<const void> pack(const Graph& graph, const Candidate& candidate) const override {
    const Node& node = graph.node(candidate.nodes.front());
    const Convolution& a = *node.as<Convolution>();
    ConvGemmTile tile = ConvGemmTile::parse(candidate.parameters);
    return uploadWeights(device_, node, weightMatrices(a, node, tile.depth, tile.columns),
                         biasOf(node, a.outputs));
  }

  std::unique_ptr<Step> bind(const BindContext& context) const override {
    const BufferView &in = context.inputs[0], &out = context.outputs[0];
    if (out.dims.volume() == 0) return std::make_unique<ClStep>();
    const Node& node = context.graph.node(context.candidate.nodes.front());
    const Convolution& a = *node.as<Convolution>();
    const auto& packed = *static_cast<const PackedWeights*>(context.packed.get());
    ConvGemm conv{.shape = {WindowArgument(Window3(resolveWindow(a, in.dims), in.dims), out),
                            ViewStrides(in), ViewStrides(out), ViewStrides()},
                  .groups = a.groups,
                  .output = {Argument::view(out), out.type},
                  .input = {Argument::view(in), in.type},
                  .residual = {},
                  .weights = packed.weights,
                  .bias = packed.bias,
                  .epilogue = Epilogue(fusedNodes(context.graph, context.candidate.nodes)),
                  .rowsFirst = !channelsInnermost(in)};
    conv.shape.pixels = toInt(out.dims.volume() / out.dims[1]);
    conv.shape.groupInputs = toInt(in.dims[1] / a.groups);
    conv.shape.groupOutputs = toInt(a.outputs / a.groups);
    if (conv.epilogue.residual) {
      conv.shape.residual = ViewStrides(context.inputs[1]);
      conv.residual = {Argument::view(context.inputs[1]), context.inputs[1].type};
    }
    conv.vectors = readsVectors(in, conv.shape);
    return std::make_unique<ClStep>(std::vector<Launch>{convGemmLaunch(
        device_, ConvGemmTile::parse(context.candidate.parameters), conv, node.name)});
  }

 private:
  /// Four neighbouring channels of a position lie together, on a boundary of four.
  static bool readsVectors(const BufferView& in, const ConvGemmArgument& shape) {
    const ViewStrides& s = shape.from;
    return s.c == 1 && shape.groupInputs % 4 == 0 && s.n % 4 == 0 && s.z % 4 == 0 && s.y % 4 == 0 &&
           s.x % 4 == 0 && in.byteOffset % (4 * sizeOf(in.type)) == 0;
  }

  const Device& device_;
};

}  // namespace
}  // namespace opencl

void registerTactic_conv_gemm(opencl::TacticRegistry& registry) {
  registry.add(std::make_unique<opencl::ConvGemmTactic>(registry.device()));
}

}  // namespace layerwise
