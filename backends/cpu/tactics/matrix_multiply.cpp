// Products of two computed matrices on the microkernel of the convolutions.
#include <fmt/format.h>

#include <algorithm>

#include "backends/cpu/fused_region.h"
#include "backends/cpu/kernel_table.h"
#include "backends/cpu/matmul.h"
#include "backends/cpu/single_node.h"

namespace layerwise {
namespace cpu {
namespace {

/// The view's leading axes, without the matrix.
BufferView batchOf(const BufferView& view) {
  BufferView batch = view;
  batch.dims = batch.strides = Dims();
  for (int i = 0; i < view.dims.rank() - 2; ++i) {
    batch.dims.append(view.dims[i]);
    batch.strides.append(view.strides[i]);
  }
  return batch;
}

std::int64_t offsetOf(std::int64_t index, const Dims& dims, const Dims& strides) {
  std::int64_t offset = 0;
  for (int axis = dims.rank() - 1; axis >= 0; index /= dims[axis--])
    offset += index % dims[axis] * strides[axis];
  return offset;
}

class MatrixMultiplyTactic final : public Tactic {
 public:
  MatrixMultiplyTactic()
      : isa_(selectedIsa()), name_(fmt::format("matrix_multiply_f32_{}", isaName(isa_))) {}
  std::string_view name() const override { return name_; }

  void match(const MatchContext& context, NodeId id,
             std::vector<Candidate>& candidates) const override {
    const Node& node = context.graph.node(id);
    const MatrixMultiply* a = node.as<MatrixMultiply>();
    if (!a || a->a == MatrixOperation::kVector || a->b == MatrixOperation::kVector) return;
    NodeInfo info(context.graph, context.shapes, id);
    for (const TensorInfo& input : info.inputs)
      if (input.type != DataType::kFloat32 || input.dims.volume() == 0) return;
    const Dims& left = info.inputs[0].dims;
    auto depth = left[left.rank() - (a->a == MatrixOperation::kTranspose ? 2 : 1)];
    double outputs = static_cast<double>(info.outputs[0].dims.volume());
    Candidate c;
    c.tactic = this;
    c.inputs = node.inputs;
    c.inputLayouts.assign(2, Layout::linear(DataType::kFloat32));
    c.outputLayouts = {Layout::linear(DataType::kFloat32)};
    c.flops = 2 * outputs * static_cast<double>(depth);
    c.bytes = 4 * (outputs + static_cast<double>(info.inputs[0].dims.volume() +
                                                 info.inputs[1].dims.volume()));
    constexpr double kClock = 3e9, kBytesPerSecond = 12e9, kStepSeconds = 3e-6, kEfficiency = 0.5;
    double lanes = isa_ == Isa::kPortable ? 1 : kernels(isa_).width;
    c.seconds =
        kStepSeconds + std::max(c.flops / (4 * lanes * kEfficiency * kClock * context.workers),
                                c.bytes / kBytesPerSecond);
    for (const FusedRegion& region : fusedRegions(context, id)) {
      if (region.residual != kNone) break;  // the kernel adds none
      c.nodes = region.nodes;
      c.outputs = {region.output};
      candidates.push_back(c);
    }
  }

  std::unique_ptr<Step> bind(const BindContext& context) const override {
    const auto& a = *context.graph.node(context.candidate.nodes.front()).as<MatrixMultiply>();
    BufferView left = context.inputs[0], right = context.inputs[1], out = context.outputs[0];
    int last = out.dims.rank() - 1, lastLeft = left.dims.rank() - 1,
        lastRight = right.dims.rank() - 1;
    const KernelTable& table = kernels(isa_);
    MatMulPlan plan;
    plan.transposeA = a.a == MatrixOperation::kTranspose;
    plan.transposeB = a.b == MatrixOperation::kTranspose;
    plan.m = out.dims[last - 1];
    plan.n = out.dims[last];
    plan.k = left.dims[plan.transposeA ? lastLeft - 1 : lastLeft];
    plan.aRow = left.strides[lastLeft - 1];
    plan.bRow = right.strides[lastRight - 1];
    plan.cRow = out.strides[last - 1];
    plan.epilogue = epilogueOf(context.graph, context.candidate.nodes);
    plan = bindMatMul(plan, table.width, table.registers, context.workers);
    Dims batch = batchOf(out).dims, batchOut = batchOf(out).strides;
    Dims batchLeft = broadcastStrides(batchOf(left), batch),
         batchRight = broadcastStrides(batchOf(right), batch);
    auto kernel = table.conv->matMul;
    auto work = [=](std::int64_t tile, const Worker& worker) {
      std::int64_t index = tile / plan.tiles;
      kernel(plan, worker.data<const float>(left) + offsetOf(index, batch, batchLeft),
             worker.data<const float>(right) + offsetOf(index, batch, batchRight),
             worker.data<float>(out) + offsetOf(index, batch, batchOut), tile % plan.tiles,
             reinterpret_cast<float*>(worker.scratch));
    };
    return makeStep(out.dims.volume() == 0 ? 0 : batch.volume() * plan.tiles, work,
                    static_cast<std::size_t>(plan.scratchFloats) * sizeof(float));
  }

 private:
  Isa isa_;
  std::string name_;
};

}  // namespace
}  // namespace cpu

void registerTactic_matrix_multiply(cpu::TacticRegistry& registry) {
  registry.add(std::make_unique<cpu::MatrixMultiplyTactic>());
}

}  // namespace layerwise
