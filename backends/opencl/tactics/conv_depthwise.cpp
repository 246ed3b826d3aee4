#include "backends/opencl/conv_candidates.h"
#include "backends/opencl/conv_weights.h"
#include "backends/opencl/epilogue.h"
#include "backends/opencl/kernel_types.h"
#include "backends/opencl/tactic_registry.h"
#include "backends/opencl/window.h"

namespace layerwise {
namespace opencl {
namespace {

class ConvDepthwiseTactic final : public Tactic {
 public:
  explicit ConvDepthwiseTactic(const Device& device) : device_(device) {}
  std::string_view name() const override { return "cl_conv_depthwise"; }

  void match(const MatchContext& context, NodeId id,
             std::vector<Candidate>& candidates) const override {
    const Convolution* a = context.graph.node(id).as<Convolution>();
    if (!a) return;
    NodeInfo info(context.graph, context.shapes, id);
    if (!allFloat(info) || info.inputs[0].dims[1] != a->groups) return;
    double flops = 2 * static_cast<double>(info.outputs[0].dims.volume() * a->kernel.volume());
    CostModel cost(device_.info());
    addConvCandidates(*this, context, id, "", flops, flops / (cost.flopsPerSecond * 0.05), cost,
                      candidates);
  }

  std::shared_ptr<const void> pack(const Graph& graph, const Candidate& candidate) const override {
    const Node& node = graph.node(candidate.nodes.front());
    const Convolution& a = *node.as<Convolution>();
    std::vector<float> kernel = floatWeights(node.weights[0]), byTap(kernel.size());
    auto outputs = static_cast<std::size_t>(a.outputs), taps = kernel.size() / outputs;
    for (std::size_t o = 0; o < outputs; ++o)
      for (std::size_t t = 0; t < taps; ++t) byTap[t * outputs + o] = kernel[o * taps + t];
    return uploadWeights(device_, node, byTap, biasOf(node, a.outputs));
  }

  std::unique_ptr<Step> bind(const BindContext& context) const override {
    const BufferView &in = context.inputs[0], &out = context.outputs[0];
    if (out.dims.volume() == 0) return std::make_unique<ClStep>();
    const Node& node = context.graph.node(context.candidate.nodes.front());
    const Convolution& a = *node.as<Convolution>();
    const auto& packed = *static_cast<const PackedWeights*>(context.packed.get());
    Epilogue epilogue(fusedNodes(context.graph, context.candidate.nodes));
    ProgramSource source{.file = "conv_depthwise.cl"};
    std::vector<DataType> types{out.type, in.type};
    std::vector<Argument> arguments{Argument::view(out), Argument::view(in),
                                    Argument::memory(packed.weights),
                                    Argument::memory(packed.bias)};
    if (epilogue.residual) {
      types.push_back(context.inputs[1].type);
      arguments.push_back(Argument::view(context.inputs[1]));
      arguments.push_back(Argument::value(ViewStrides(context.inputs[1])));
    }
    defineTypes(source, types);
    epilogue.define(source);
    WindowArgument window(Window3(resolveWindow(a, in.dims), in.dims), out);
    arguments.push_back(Argument::value(window));
    arguments.push_back(Argument::value(ViewStrides(out)));
    arguments.push_back(Argument::value(ViewStrides(in)));
    arguments.push_back(Argument::integer(a.outputs / a.groups));
    arguments.push_back(Argument::integer(channelsInnermost(out)));
    arguments.push_back(Argument::integer(out.dims.volume()));
    arguments.push_back(Argument::real(epilogue.activation.alpha));
    arguments.push_back(Argument::real(epilogue.activation.beta));
    return std::make_unique<ClStep>(std::vector<Launch>{launchOver(
        out.dims.volume(), device_.program(source), "conv_depthwise", std::move(arguments))});
  }

 private:
  const Device& device_;
};

}  // namespace
}  // namespace opencl

void registerTactic_conv_depthwise(opencl::TacticRegistry& registry) {
  registry.add(std::make_unique<opencl::ConvDepthwiseTactic>(registry.device()));
}

}  // namespace layerwise
