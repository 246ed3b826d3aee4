#include <numeric>
#include <optional>

#include "backends/cpu/copy_step.h"
#include "backends/cpu/single_node.h"

namespace layerwise {
namespace cpu {
namespace {

/// One axis of a shape with the stride it walks memory by.
struct Axis {
  std::int64_t size, stride;
};

std::vector<Axis> axesOf(const BufferView& view) {
  std::vector<Axis> axes;
  for (int i = 0; i < view.dims.rank(); ++i) axes.push_back({view.dims[i], view.strides[i]});
  return axes;
}

/// Both sides number the same elements in row-major order. Where their axes have a common
/// refinement, the copy is a loop nest over that.
std::optional<std::vector<LoopNest<2>::Loop>> refine(std::vector<Axis> to, std::vector<Axis> from) {
  std::vector<LoopNest<2>::Loop> loops;
  while (!to.empty() && !from.empty()) {
    Axis &a = to.back(), &b = from.back();
    std::int64_t size = std::gcd(a.size, b.size);
    if (size != a.size && size != b.size) return std::nullopt;
    loops.push_back({size, {a.stride, b.stride}});
    a = {a.size / size, a.stride * size};
    b = {b.size / size, b.stride * size};
    if (a.size == 1) to.pop_back();
    if (b.size == 1) from.pop_back();
  }
  return loops;
}

/// The memory offset of an element's number in row-major order.
std::int64_t offsetOf(std::int64_t number, const std::vector<Axis>& axes) {
  std::int64_t offset = 0;
  for (std::size_t i = axes.size(); i-- > 0; number /= axes[i].size)
    offset += number % axes[i].size * axes[i].stride;
  return offset;
}

template <class T>
std::unique_ptr<Step> bindByNumber(const BufferView& out, const std::vector<Axis>& to,
                                   const BufferView& in, const std::vector<Axis>& from) {
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
  std::vector<Axis> from = axesOf(in), to = axesOf(out);
  if (!a.firstTranspose.empty()) {
    std::vector<Axis> axes = from;
    for (std::size_t i = 0; i < axes.size(); ++i)
      from[i] = axes[static_cast<std::size_t>(a.firstTranspose[static_cast<int>(i)])];
  }
  if (!a.secondTranspose.empty()) {
    std::vector<Axis> axes = to;
    for (std::size_t i = 0; i < axes.size(); ++i)
      to[static_cast<std::size_t>(a.secondTranspose[static_cast<int>(i)])] = axes[i];
  }
  bool inPlace = in.buffer == out.buffer && in.byteOffset == out.byteOffset && in.isDense() &&
                 out.isDense() && a.firstTranspose.empty() && a.secondTranspose.empty();
  if (inPlace) return bindCopies({});
  std::erase_if(from, [](const Axis& axis) { return axis.size == 1; });
  std::erase_if(to, [](const Axis& axis) { return axis.size == 1; });
  if (auto loops = refine(to, from)) return bindCopy(out, in, std::move(*loops));
  switch (sizeOf(out.type)) {
    case 1:
      return bindByNumber<std::uint8_t>(out, to, in, from);
    case 2:
      return bindByNumber<std::uint16_t>(out, to, in, from);
    case 4:
      return bindByNumber<std::uint32_t>(out, to, in, from);
    default:
      return bindByNumber<std::uint64_t>(out, to, in, from);
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
