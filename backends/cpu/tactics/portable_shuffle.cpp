#include "backends/cpu/copy_step.h"
#include "backends/cpu/single_node.h"
#include "backends/shared/copies.h"

namespace layerwise {
namespace cpu {
namespace {

/// The memory offset of an element's number in row-major order.
std::int64_t offsetOf(std::int64_t number, const std::vector<StridedAxis>& axes) {
  std::int64_t offset = 0;
  for (std::size_t i = axes.size(); i-- > 0; number /= axes[i].size)
    offset += number % axes[i].size * axes[i].stride;
  return offset;
}

template <class T>
std::unique_ptr<Step> bindByNumber(const BufferView& out, const std::vector<StridedAxis>& to,
                                   const BufferView& in, const std::vector<StridedAxis>& from) {
  constexpr std::int64_t kTile = 4096;
  std::int64_t count = out.dims.volume();
  return makeStep((count + kTile - 1) / kTile, [=](std::int64_t tile, const Worker& worker) {
    const T* x = worker.data<T>(in);
    T* y = worker.data<T>(out);
    std::int64_t end = std::min(count, (tile + 1) * kTile);
    for (std::int64_t i = tile * kTile; i < end; ++i) y[offsetOf(i, to)] = x[offsetOf(i, from)];
  });
}

std::unique_ptr<Step> bindShuffle(const Shuffle& a, const BindContext& c) {
  const BufferView &in = c.inputs[0], &out = c.outputs[0];
  if (out.dims.volume() == 0) return bindCopies({});
  ShufflePlan plan = planShuffle(a, in, out);
  if (plan.inPlace) return bindCopies({});
  if (plan.loops) return bindCopy(out, in, std::move(*plan.loops));
  switch (sizeOf(out.type)) {
    case 1:
      return bindByNumber<std::uint8_t>(out, plan.to, in, plan.from);
    case 2:
      return bindByNumber<std::uint16_t>(out, plan.to, in, plan.from);
    case 4:
      return bindByNumber<std::uint32_t>(out, plan.to, in, plan.from);
    default:
      return bindByNumber<std::uint64_t>(out, plan.to, in, plan.from);
  }
}

}  // namespace
}  // namespace cpu

void registerTactic_portable_shuffle(cpu::TacticRegistry& registry) {
  cpu::addPortable<Shuffle>(registry,
                            {.takes = [](const Shuffle&, const NodeInfo&) { return true; },
                             .flopsPerOutput = 0,
                             .inputs = 1,
                             .bind = cpu::bindShuffle});
}

}  // namespace layerwise
