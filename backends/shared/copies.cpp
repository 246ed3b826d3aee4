#include "backends/shared/copies.h"

#include <numeric>

#include "layers/slice_window.h"

namespace layerwise {
namespace {

std::vector<StridedAxis> axesOf(const BufferView& view) {
  std::vector<StridedAxis> axes;
  for (int i = 0; i < view.dims.rank(); ++i) axes.push_back({view.dims[i], view.strides[i]});
  return axes;
}

/// Both sides number the same elements in row-major order. Where their axes have a common
/// refinement, the copy is a loop nest over that.
std::optional<std::vector<Loop<2>>> refine(std::vector<StridedAxis> to,
                                           std::vector<StridedAxis> from) {
  std::vector<Loop<2>> loops;
  while (!to.empty() && !from.empty()) {
    StridedAxis &a = to.back(), &b = from.back();
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

}  // namespace

/// The view of a part of `view` that begins at `start` and goes on with `step`.
BufferView box(const BufferView& view, const Dims& start, const Dims& step, const Dims& dims) {
  BufferView part = view;
  std::int64_t offset = 0;
  for (int axis = 0; axis < view.dims.rank(); ++axis) {
    offset += start[axis] * view.strides[axis];
    part.strides[axis] = view.strides[axis] * step[axis];
  }
  part.dims = dims;
  part.byteOffset += static_cast<std::size_t>(offset) * sizeOf(view.type);
  return part;
}

BufferView slicedView(const Slice& slice, const BindContext& c) {
  const Node& node = c.graph.node(c.candidate.nodes[0]);
  std::vector<ShapeInput> inputs;
  for (ValueId id : node.inputs) {
    const auto& integers = c.shapes.integers[static_cast<std::size_t>(id)];
    inputs.push_back(
        {c.shapes.values[static_cast<std::size_t>(id)], integers ? &*integers : nullptr});
  }
  SliceWindow w = resolveSlice(slice, ShapeContext(node.kind->name, node.name, inputs, {}));
  return box(c.inputs[0], w.start, w.step, w.size);
}

std::vector<Loop<2>> pixelShuffleLoops(const PixelShuffle& a, const BufferView& in,
                                       const BufferView& out) {
  // The large picture's rows and columns are split into (pixel, sub-pixel); the small one's
  // channels into (channel, sub-row, sub-column).
  const BufferView& small = a.inverse ? out : in;
  const BufferView& large = a.inverse ? in : out;
  std::int64_t r = a.factor;
  const Dims &s = small.strides, &l = large.strides;
  std::vector<Loop<2>> loops = {
      {large.dims[0], {l[0], s[0]}},     {large.dims[1], {l[1], s[1] * r * r}},
      {small.dims[2], {l[2] * r, s[2]}}, {r, {l[2], s[1] * r}},
      {small.dims[3], {l[3] * r, s[3]}}, {r, {l[3], s[1]}}};
  if (a.inverse)
    for (auto& loop : loops) std::swap(loop.strides[0], loop.strides[1]);
  return loops;
}

ShufflePlan planShuffle(const Shuffle& a, const BufferView& in, const BufferView& out) {
  ShufflePlan plan;
  plan.from = axesOf(in), plan.to = axesOf(out);
  if (!a.firstTranspose.empty()) {
    std::vector<StridedAxis> axes = plan.from;
    for (std::size_t i = 0; i < axes.size(); ++i)
      plan.from[i] = axes[static_cast<std::size_t>(a.firstTranspose[static_cast<int>(i)])];
  }
  if (!a.secondTranspose.empty()) {
    std::vector<StridedAxis> axes = plan.to;
    for (std::size_t i = 0; i < axes.size(); ++i)
      plan.to[static_cast<std::size_t>(a.secondTranspose[static_cast<int>(i)])] = axes[i];
  }
  plan.inPlace = in.buffer == out.buffer && in.byteOffset == out.byteOffset && in.isDense() &&
                 out.isDense() && a.firstTranspose.empty() && a.secondTranspose.empty();
  std::erase_if(plan.from, [](const StridedAxis& axis) { return axis.size == 1; });
  std::erase_if(plan.to, [](const StridedAxis& axis) { return axis.size == 1; });
  plan.loops = refine(plan.to, plan.from);
  return plan;
}

}  // namespace layerwise
