#include "backends/opencl/gemm.h"
#include "backends/opencl/single_node.h"
#include "backends/opencl/tactic_registry.h"
#include "backends/shared/matrix_operand.h"

namespace layerwise {
namespace opencl {
namespace {

GemmOperand operandOf(const BufferView& view) {
  return {{Argument::view(view)}, view.type};
}

/// Both operands and the result linear.
class MatrixMultiplyTactic final : public Tactic {
 public:
  explicit MatrixMultiplyTactic(const Device& device) : device_(device) {}
  std::string_view name() const override { return "cl_matrix_multiply"; }

  void match(const MatchContext& context, NodeId id,
             std::vector<Candidate>& candidates) const override {
    const MatrixMultiply* m = context.graph.node(id).as<MatrixMultiply>();
    if (!m) return;
    NodeInfo info(context.graph, context.shapes, id);
    if (!allFloat(info)) return;
    const Dims &a = info.inputs[0].dims, &out = info.outputs[0].dims;
    double depth = static_cast<double>(a[a.rank() - (m->a == MatrixOperation::kTranspose ? 2 : 1)]);
    double rows =
        m->a == MatrixOperation::kVector
            ? 1
            : static_cast<double>(a[a.rank() - (m->a == MatrixOperation::kTranspose ? 1 : 2)]);
    double columns =
        m->b == MatrixOperation::kVector ? 1 : static_cast<double>(out[out.rank() - 1]);
    double volume = static_cast<double>(out.volume());
    addSingleNodeCandidates(device_, *this, context, id, info, 2 * volume * depth, false,
                            kAllInputs, true, candidates);
    // The same layouts in each of the ways to multiply.
    std::vector<std::string> ways = gemmCandidates(device_);
    std::vector<Candidate> made;
    while (!candidates.empty() && candidates.back().tactic == this) {
      made.push_back(std::move(candidates.back()));
      candidates.pop_back();
    }
    for (auto candidate = made.rbegin(); candidate != made.rend(); ++candidate)
      for (const std::string& way : ways) {
        candidate->parameters = way;
        candidate->seconds = gemmSeconds(device_, way, rows, columns, depth,
                                         volume / std::max(1.0, rows * columns), candidate->bytes);
        candidates.push_back(*candidate);
      }
  }

  std::unique_ptr<Step> bind(const BindContext& c) const override {
    const MatrixMultiply& m = *c.graph.node(c.candidate.nodes[0]).as<MatrixMultiply>();
    const BufferView &left = c.inputs[0], &right = c.inputs[1], &out = c.outputs[0];
    MatrixOperand a(left, m.a, true), b(right, m.b, false);
    bool rowAxis = m.a != MatrixOperation::kVector, columnAxis = m.b != MatrixOperation::kVector;
    BufferView outBatch = leadingAxes(out, rowAxis + columnAxis);
    Gemm gemm;
    gemm.batch = loopsOver<4>(
        outBatch.dims,
        {outBatch.strides, broadcastStrides(leadingAxes(left, a.matrixAxes), outBatch.dims),
         broadcastStrides(leadingAxes(right, b.matrixAxes), outBatch.dims),
         Dims::filled(outBatch.dims.rank(), 0)});
    int last = out.dims.rank() - 1;
    GemmShape& s = gemm.shape;
    s.rows = toInt(a.rows), s.columns = toInt(b.columns), s.depth = toInt(a.columns);
    s.columnStrideY = columnAxis ? toInt(out.strides[last]) : 0;
    s.rowStrideY = rowAxis ? toInt(out.strides[last - (columnAxis ? 1 : 0)]) : 0;
    s.rowStrideA = toInt(a.rowStride), s.depthStrideA = toInt(a.columnStride);
    s.depthStrideB = toInt(b.rowStride), s.columnStrideB = toInt(b.columnStride);
    gemm.y = operandOf(out), gemm.a = operandOf(left), gemm.b = operandOf(right);
    std::vector<Launch> launches;
    if (auto launch = gemmLaunch(device_, gemm, c.candidate.parameters))
      launches.push_back(std::move(*launch));
    return std::make_unique<ClStep>(std::move(launches));
  }

 private:
  const Device& device_;
};

}  // namespace
}  // namespace opencl

void registerTactic_matrix_multiply(opencl::TacticRegistry& registry) {
  registry.add(std::make_unique<opencl::MatrixMultiplyTactic>(registry.device()));
}

}  // namespace layerwise
