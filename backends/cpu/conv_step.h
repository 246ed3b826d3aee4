#pragma once

#include <memory>
#include <type_traits>
#include <utility>

#include "backends/cpu/conv.h"
#include "backends/cpu/step.h"

namespace layerwise::cpu {

/// A bound convolution with its epilogue. Kernel(plan, Buffers, tile, scratch) runs a tile; Packed
/// is what the tactic's pack() gave, with a data().
template <class Buffers, class Kernel, class Packed>
class ConvStep final : public CpuStep {
 public:
  ConvStep(const BindContext& context, const ConvPlan& plan, Kernel kernel)
      : plan_(plan),
        kernel_(kernel),
        in_(context.inputs[0]),
        out_(context.outputs[0]),
        packed_(std::static_pointer_cast<const Packed>(context.packed)) {
    if (plan.epilogue.residual != ResidualPlace::kNone) residual_ = context.inputs[1];
  }

  std::int64_t tiles(int) const override { return plan_.shape.n == 0 ? 0 : plan_.tiles; }
  std::size_t scratchBytes() const override {
    return static_cast<std::size_t>(plan_.scratchFloats) * sizeof(float);
  }

  WeightsAhead weights() const override { return {packed_->bytes(), sharesWeights(plan_.units)}; }

  void run(int, std::int64_t tile, const Worker& worker) const override {
    Buffers buffers;
    buffers.in = worker.data<std::remove_pointer_t<decltype(buffers.in)>>(in_);
    buffers.packed = packed_->data();
    if (plan_.epilogue.residual != ResidualPlace::kNone)
      buffers.residual = worker.data<std::remove_pointer_t<decltype(buffers.residual)>>(residual_);
    buffers.out = worker.data<std::remove_pointer_t<decltype(buffers.out)>>(out_);
    kernel_(plan_, buffers, tile, reinterpret_cast<float*>(worker.scratch));
  }

 private:
  ConvPlan plan_;
  Kernel kernel_;
  BufferView in_, out_, residual_;
  std::shared_ptr<const Packed> packed_;
};

}  // namespace layerwise::cpu
