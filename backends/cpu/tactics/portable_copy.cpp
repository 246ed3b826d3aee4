#include <algorithm>
#include <array>

#include "backends/cpu/copy_step.h"
#include "backends/cpu/single_node.h"
#include "backends/shared/copies.h"
#include "layers/padding_window.h"

namespace layerwise {
namespace cpu {
namespace {

std::unique_ptr<Step> bindIdentity(const Identity&, const BindContext& c) {
  return bindCopies({{c.outputs[0], c.inputs[0], nullptr}});
}

std::unique_ptr<Step> bindConcatenation(const Concatenation& a, const BindContext& c) {
  const BufferView& out = c.outputs[0];
  int rank = out.dims.rank();
  int axis = static_cast<int>(a.axis < 0 ? a.axis + rank : a.axis);
  Dims start = Dims::filled(rank, 0), ones = Dims::filled(rank, 1);
  std::vector<CopyPiece> pieces;
  for (const BufferView& in : c.inputs) {
    pieces.push_back({box(out, start, ones, in.dims), in, nullptr});
    start[axis] += in.dims[axis];
  }
  return bindCopies(pieces);
}

std::unique_ptr<Step> bindSlice(const Slice& a, const BindContext& c) {
  BufferView from = slicedView(a, c);
  if (from.dims.volume() == 0) return bindCopies({});
  return bindCopies({{c.outputs[0], from, nullptr}});
}

/// A stretch of one axis of a padded tensor that comes from the input by a stride, or is filled.
struct Segment {
  std::int64_t begin, size, source, stride;
  bool filled;
};

std::vector<Segment> segments(PaddingFill fill, std::int64_t pre, std::int64_t in,
                              std::int64_t out) {
  std::int64_t low = std::clamp<std::int64_t>(pre, 0, out);
  std::int64_t high = std::clamp(pre + in, low, out);
  std::vector<Segment> list;
  auto add = [&](std::int64_t begin, std::int64_t end, std::int64_t source, std::int64_t stride,
                 bool filled) {
    if (end > begin) list.push_back({begin, end - begin, source, stride, filled});
  };
  bool constant = fill == PaddingFill::kConstant, reflect = fill == PaddingFill::kReflect;
  std::int64_t step = reflect ? -1 : 0;
  add(0, low, reflect ? pre : 0, step, constant);
  add(low, high, low - pre, 1, false);
  add(high, out, reflect ? in - 2 : in - 1, step, constant);
  return list;
}

/// The fill value in the form that memory of `type` holds.
std::shared_ptr<const std::byte> fillElement(DataType type, double value) {
  ReferenceTensor element({type, {1}});
  element.values[0] = value;
  auto bytes = std::make_shared<std::array<std::byte, sizeof(double)>>();
  element.write(bytes->data());
  return {bytes, bytes->data()};
}

std::unique_ptr<Step> bindPadding(const Padding& a, const BindContext& c) {
  const BufferView &in = c.inputs[0], &out = c.outputs[0];
  PaddingWindow w = resolvePadding(a, in.dims);
  int rank = out.dims.rank();
  std::vector<std::vector<Segment>> axes;
  for (int axis = 0; axis < rank; ++axis)
    axes.push_back(segments(a.fill, w.pre[axis], in.dims[axis], out.dims[axis]));
  std::vector<CopyPiece> pieces;
  if (out.dims.volume() == 0) return bindCopies(pieces);
  auto fill = fillElement(out.type, a.value);
  // Every combination of a segment an axis is a box that one strided copy makes.
  std::vector<std::size_t> choice(axes.size(), 0);
  for (;;) {
    Dims start, from, step, dims;
    bool filled = false;
    for (std::size_t axis = 0; axis < axes.size(); ++axis) {
      const Segment& s = axes[axis][choice[axis]];
      start.append(s.begin), dims.append(s.size), from.append(s.source), step.append(s.stride);
      filled = filled || s.filled;
    }
    BufferView to = box(out, start, Dims::filled(rank, 1), dims);
    if (filled) {
      BufferView one{0, 0, out.type, dims, Dims::filled(rank, 0)};
      pieces.push_back({to, one, fill});
    } else {
      pieces.push_back({to, box(in, from, step, dims), nullptr});
    }
    std::size_t axis = 0;
    while (axis < axes.size() && ++choice[axis] == axes[axis].size()) choice[axis++] = 0;
    if (axis == axes.size()) break;
  }
  return bindCopies(pieces);
}

std::unique_ptr<Step> bindPixelShuffle(const PixelShuffle& a, const BindContext& c) {
  return bindCopy(c.outputs[0], c.inputs[0], pixelShuffleLoops(a, c.inputs[0], c.outputs[0]));
}

struct ConstantPacked {
  ConstantData data;
};

std::shared_ptr<const void> packConstant(const Constant&, const Node& node) {
  ConstantData data = node.weights[0];
  if (isFloat(data.type)) data = ConstantData::of(DataType::kFloat32, floatWeights(data));
  return std::make_shared<ConstantPacked>(ConstantPacked{data});
}

std::unique_ptr<Step> bindConstant(const Constant&, const BindContext& c) {
  const BufferView& out = c.outputs[0];
  BufferView from{0, 0, out.type, out.dims, denseStrides(Layout::linear(out.type), out.dims)};
  return bindCopies({{out, from, static_cast<const ConstantPacked*>(c.packed.get())->data.bytes}});
}

std::unique_ptr<Step> bindShape(const Shape&, const BindContext& c) {
  const Node& node = c.graph.node(c.candidate.nodes[0]);
  const Dims& dims = c.shapes.values[static_cast<std::size_t>(node.inputs[0])].dims;
  ConstantData data = ConstantData::copyOf(DataType::kInt64, dims.begin(), dims.rank());
  BufferView from{0, 0, DataType::kInt64, {dims.rank()}, {1}};
  return bindCopies({{c.outputs[0], from, data.bytes}});
}

template <class A>
bool takesAny(const A&, const NodeInfo&) {
  return true;
}

}  // namespace
}  // namespace cpu

void registerTactic_portable_copy(cpu::TacticRegistry& registry) {
  cpu::addPortable<Identity>(registry, {.takes = cpu::takesAny<Identity>,
                                        .flopsPerOutput = 0,
                                        .channelsLast = true,
                                        .moves = true,
                                        .bind = cpu::bindIdentity});
  cpu::addPortable<Concatenation>(registry, {.takes = cpu::takesAny<Concatenation>,
                                             .flopsPerOutput = 0,
                                             .channelsLast = true,
                                             .moves = true,
                                             .bind = cpu::bindConcatenation});
  cpu::addPortable<Slice>(registry, {.takes = cpu::takesAny<Slice>,
                                     .flopsPerOutput = 0,
                                     .channelsLast = true,
                                     .moves = true,
                                     .inputs = 1,
                                     .bind = cpu::bindSlice});
  cpu::addPortable<Padding>(registry, {.takes = cpu::takesAny<Padding>,
                                       .flopsPerOutput = 0,
                                       .channelsLast = true,
                                       .bind = cpu::bindPadding});
  cpu::addPortable<PixelShuffle>(registry, {.takes = cpu::takesAny<PixelShuffle>,
                                            .flopsPerOutput = 0,
                                            .channelsLast = true,
                                            .moves = true,
                                            .bind = cpu::bindPixelShuffle});
  cpu::addPortable<Constant>(registry, {.takes = cpu::takesAny<Constant>,
                                        .flopsPerOutput = 0,
                                        .pack = cpu::packConstant,
                                        .bind = cpu::bindConstant});
  cpu::addPortable<Shape>(
      registry,
      {.takes = cpu::takesAny<Shape>, .flopsPerOutput = 0, .inputs = 0, .bind = cpu::bindShape});
}

}  // namespace layerwise
