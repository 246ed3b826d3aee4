#include "backends/opencl/conv_candidates.h"
#include "backends/opencl/conv_weights.h"
#include "backends/opencl/gemm.h"
#include "backends/opencl/kernel_types.h"
#include "backends/opencl/single_node.h"
#include "backends/opencl/tactic_registry.h"
#include "backends/shared/matrix_operand.h"

namespace layerwise {
namespace opencl {
namespace {

/// y = W x + b as a product of x and W transposed, with what follows it. An input whose features do
/// not lie one after the other is copied first.
class FullyConnectedTactic final : public Tactic {
 public:
  explicit FullyConnectedTactic(const Device& device) : device_(device) {}
  std::string_view name() const override { return "cl_fully_connected"; }

  void match(const MatchContext& context, NodeId id,
             std::vector<Candidate>& candidates) const override {
    const Node& node = context.graph.node(id);
    const FullyConnected* a = node.as<FullyConnected>();
    if (!a) return;
    NodeInfo info(context.graph, context.shapes, id);
    if (!allFloat(info)) return;
    double outputs = static_cast<double>(a->outputs);
    double rows = static_cast<double>(info.outputs[0].dims.volume()) / std::max(1.0, outputs);
    double depth = static_cast<double>(node.weights[0].count) / std::max(1.0, outputs);
    for (const FusedNodes& region :
         fusedNodes(context, id, [](const Activation&) { return true; })) {
      Candidate c;
      c.tactic = this;
      c.nodes = region.nodes;
      c.inputs = {node.inputs[0]};
      if (region.residual != kNone) c.inputs.push_back(region.residual);
      c.outputs = {region.output};
      c.flops = 2 * rows * outputs * depth;
      for (DataType type : floatTypes(context, id)) {
        c.bytes = outputs * depth * sizeof(float) +
                  rows * (depth + outputs) * static_cast<double>(sizeOf(type));
        c.inputLayouts.assign(c.inputs.size(), Layout::linear(type));
        c.outputLayouts = {Layout::linear(type)};
        for (const std::string& way : gemmCandidates(device_)) {
          c.parameters = way;
          c.seconds = gemmSeconds(device_, way, rows, outputs, depth, 1, c.bytes);
          candidates.push_back(c);
        }
      }
    }
  }

  std::shared_ptr<const void> pack(const Graph& graph, const Candidate& candidate) const override {
    const Node& node = graph.node(candidate.nodes.front());
    return uploadWeights(device_, node, floatWeights(node.weights[0]),
                         biasOf(node, node.as<FullyConnected>()->outputs));
  }

  std::unique_ptr<Step> bind(const BindContext& c) const override {
    const Node& node = c.graph.node(c.candidate.nodes.front());
    const FullyConnected& a = *node.as<FullyConnected>();
    const auto& packed = *static_cast<const PackedWeights*>(c.packed.get());
    BufferView in = c.inputs[0];
    const BufferView& out = c.outputs[0];
    if (out.dims.volume() == 0) return std::make_unique<ClStep>();
    int axis = axisOf(a.axis, in.dims.rank());
    std::vector<Launch> launches;
    std::size_t workspace = 0;
    Gemm gemm;
    gemm.a = {{Argument::view(in)}, in.type};
    std::vector<Loop<1>> features = featureLoops(in, axis);
    if (!isEmpty(features)) simplify(features);
    if (features.size() > 1) {
      workspace = static_cast<std::size_t>(in.dims.volume()) * sizeOf(in.type);
      launches.push_back(copyToWorkspace(in));
      gemm.a.arguments = {Argument::workspace(0, sizeOf(in.type))};
      in.strides = denseStrides(Layout::linear(in.type), in.dims);
      features = featureLoops(in, axis);
      if (!isEmpty(features)) simplify(features);
    }
    gemm.epilogue = Epilogue(fusedNodes(c.graph, c.candidate.nodes));
    GemmShape& s = gemm.shape;
    BufferView rowsIn = leadingAxes(in, in.dims.rank() - axis), rowsOut = leadingAxes(out, 1);
    std::array<Dims, 4> strides{rowsOut.strides, rowsIn.strides,
                                Dims::filled(rowsOut.dims.rank(), 0),
                                Dims::filled(rowsOut.dims.rank(), 0)};
    int last = out.dims.rank() - 1;
    if (gemm.epilogue.residual) {
      const BufferView& residual = c.inputs[1];
      gemm.residual = GemmOperand{{Argument::view(residual)}, residual.type};
      strides[3] = leadingAxes(residual, 1).strides;
      s.columnStrideR = toInt(residual.strides[last]);
    }
    gemm.batch = loopsOver<4>(rowsOut.dims, strides);
    simplify(gemm.batch);
    if (!gemm.batch.empty()) {
      const Loop<4>& rows = gemm.batch.back();
      s.rows = toInt(rows.count);
      s.rowStrideY = toInt(rows.strides[0]), s.rowStrideA = toInt(rows.strides[1]);
      s.rowStrideR = toInt(rows.strides[3]);
      gemm.batch.pop_back();
    }
    s.columns = toInt(a.outputs);
    s.columnStrideY = toInt(out.strides[last]);
    s.depth = toInt(node.weights[0].count / a.outputs);
    s.depthStrideA = features.empty() ? 1 : toInt(features[0].strides[0]);
    s.depthStrideB = 1, s.columnStrideB = s.depth;
    gemm.y = {{Argument::view(out)}, out.type};
    gemm.b = {{Argument::memory(packed.weights), Argument::value(cl_ulong{0})}};
    gemm.bias = packed.bias;
    if (auto launch = gemmLaunch(device_, gemm, c.candidate.parameters))
      launches.push_back(std::move(*launch));
    return std::make_unique<ClStep>(std::move(launches), workspace);
  }

 private:
  static std::vector<Loop<1>> featureLoops(const BufferView& in, int axis) {
    std::vector<Loop<1>> loops;
    for (int i = axis; i < in.dims.rank(); ++i) loops.push_back({in.dims[i], {in.strides[i]}});
    return loops;
  }

  Launch copyToWorkspace(const BufferView& in) const {
    ProgramSource source{.file = "copy.cl"};
    defineCopyType(source, in.type);
    Nest nest = simplifiedNest<2>(
        loopsOver<2>(in.dims, {denseStrides(Layout::linear(in.type), in.dims), in.strides}));
    return launchOver(
        nest.total, device_.program(source), "copy",
        {Argument::workspace(0, sizeOf(in.type)), Argument::view(in), Argument::value(nest)});
  }

  const Device& device_;
};

}  // namespace
}  // namespace opencl

void registerTactic_fully_connected(opencl::TacticRegistry& registry) {
  registry.add(std::make_unique<opencl::FullyConnectedTactic>(registry.device()));
}

}  // namespace layerwise
