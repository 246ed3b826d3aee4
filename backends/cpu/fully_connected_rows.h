#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "backends/cpu/fully_connected.h"
#include "backends/cpu/fused_region.h"
#include "backends/cpu/row_view.h"
#include "backends/cpu/step.h"

namespace layerwise::cpu {

/// The axis from which on a fully connected layer reads all at once.
inline int axisOf(const FullyConnected& a, int rank) {
  return static_cast<int>(a.axis < 0 ? a.axis + rank : a.axis);
}

/// The tensors of a fully connected layer and what is fused with it, row by row in float32.
class FullyConnectedTensors {
 public:
  FullyConnectedTensors(const BindContext& context, const FullyConnected& layer)
      : FullyConnectedTensors(context, axisOf(layer, context.inputs[0].dims.rank())) {}

  /// Rows, depth, outputs and epilogue; not bound yet.
  const FullyConnectedPlan& plan() const { return plan_; }

  /// Up to kMaxRows rows from `row` on, which moves behind them; `first` is the output that they
  /// begin with. An input that is no run of memory is copied to the worker's scratch.
  FullyConnectedRows take(const Worker& worker, std::int64_t& row, std::int64_t end,
                          std::int64_t first) const {
    auto* copy = reinterpret_cast<float*>(worker.scratch);
    FullyConnectedRows rows{};
    rows.count = static_cast<int>(std::min<std::int64_t>(kMaxRows, end - row));
    for (int i = 0; i < rows.count; ++i, ++row) {
      const float* x = worker.data<const float>(in_.view) + in_.offset(row);
      rows.in[i] = in_.contiguous ? x : copy + i * plan_.depth;
      if (!in_.contiguous) copyRow(gather_, x, copy + i * plan_.depth);
      rows.out[i] = worker.data<float>(out_.view) + out_.offset(row) + first;
      if (plan_.epilogue.residual != ResidualPlace::kNone)
        rows.residual[i] = worker.data<const float>(residual_.view) + residual_.offset(row) + first;
    }
    return rows;
  }

  std::size_t scratchBytes() const {
    return in_.contiguous ? 0 : static_cast<std::size_t>(kMaxRows * plan_.depth) * sizeof(float);
  }

 private:
  FullyConnectedTensors(const BindContext& context, int axis)
      : in_(context.inputs[0], axis),
        out_(context.outputs[0], axis),
        residual_(out_),
        gather_(gatherOf(context.inputs[0], axis)) {
    plan_.rows = out_.rows();
    plan_.depth = in_.length;
    plan_.outputs = out_.length;
    plan_.epilogue = epilogueOf(context.graph, context.candidate.nodes);
    if (plan_.epilogue.residual != ResidualPlace::kNone)
      residual_ = RowView(context.inputs[1], axis);
  }

  RowView in_, out_, residual_;
  LoopNest<2> gather_;
  FullyConnectedPlan plan_;
};

}  // namespace layerwise::cpu
