#include "backends/opencl/conv_candidates.h"
#include "backends/opencl/conv_weights.h"
#include "backends/opencl/epilogue.h"
#include "backends/opencl/kernel_types.h"
#include "backends/opencl/tactic_registry.h"
#include "backends/opencl/window.h"

namespace layerwise {
namespace opencl {
namespace {

class ConvGroupedTactic final : public Tactic {
 public:
  explicit ConvGroupedTactic(const Device& device) : device_(device) {}
  std::string_view name() const override { return "cl_conv_grouped"; }

  void match(const MatchContext& context, NodeId id,
             std::vector<Candidate>& candidates) const override {
    const Convolution* a = context.graph.node(id).as<Convolution>();
    if (!a) return;
    NodeInfo info(context.graph, context.shapes, id);
    const std::int64_t inputs = info.inputs[0].dims[1] / a->groups;
    if (!allFloat(info) || (a->groups == 1 && inputs > 1)) return;
    double flops =
        2 * static_cast<double>(info.outputs[0].dims.volume() * a->kernel.volume() * inputs);
    // What is loaded serves a few outputs, as a tile does of conv_gemm, where it is not for few.
    double efficiency = 0.05 * static_cast<double>(1 + outputsOfItem(*a)) / 2;
    CostModel cost(device_.info());
    addConvCandidates(*this, context, id, "", flops, flops / (cost.flopsPerSecond * efficiency),
                      cost, candidates);
  }

  std::shared_ptr<const void> pack(const Graph& graph, const Candidate& candidate) const override {
    const Node& node = graph.node(candidate.nodes.front());
    const Convolution& a = *node.as<Convolution>();
    std::vector<float> kernel = floatWeights(node.weights[0]), byTap(kernel.size());
    auto outputs = static_cast<std::size_t>(a.outputs),
         taps = static_cast<std::size_t>(a.kernel.volume()),
         inputs = kernel.size() / (outputs * taps);
    for (std::size_t o = 0; o < outputs; ++o)
      for (std::size_t i = 0; i < inputs; ++i)
        for (std::size_t t = 0; t < taps; ++t)
          byTap[(t * inputs + i) * outputs + o] = kernel[(o * inputs + i) * taps + t];
    return uploadWeights(device_, node, byTap, biasOf(node, a.outputs));
  }

  std::unique_ptr<Step> bind(const BindContext& context) const override {
    const BufferView &in = context.inputs[0], &out = context.outputs[0];
    if (out.dims.volume() == 0) return std::make_unique<ClStep>();
    const Node& node = context.graph.node(context.candidate.nodes.front());
    const Convolution& a = *node.as<Convolution>();
    const auto& packed = *static_cast<const PackedWeights*>(context.packed.get());
    Epilogue epilogue(fusedNodes(context.graph, context.candidate.nodes));
    ProgramSource source{.file = "conv_grouped.cl"};
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
    const std::int64_t inputs = in.dims[1] / a.groups, outputs = outputsOfItem(a);
    const std::int64_t items = out.dims.volume() / outputs;
    source.define("OUTPUTS", outputs);
    source.define("INPUTS", inputs == 1 ? "1" : "inputs");
    arguments.push_back(Argument::integer(inputs));
    arguments.push_back(Argument::integer(a.outputs / a.groups));
    arguments.push_back(Argument::integer(channelsInnermost(out)));
    arguments.push_back(Argument::integer(items));
    arguments.push_back(Argument::real(epilogue.activation.alpha));
    arguments.push_back(Argument::real(epilogue.activation.beta));
    return std::make_unique<ClStep>(std::vector<Launch>{
        launchOver(items, device_.program(source), "conv_grouped", std::move(arguments))});
  }

 private:
  static std::int64_t outputsOfItem(const Convolution& a) {
    const std::int64_t outputs = a.outputs / a.groups;
    return outputs % 4 == 0 ? 4 : outputs % 2 == 0 ? 2 : 1;
  }

  const Device& device_;
};

}  // namespace
}  // namespace opencl

void registerTactic_conv_grouped(opencl::TacticRegistry& registry) {
  registry.add(std::make_unique<opencl::ConvGroupedTactic>(registry.device()));
}

}  // namespace layerwise
