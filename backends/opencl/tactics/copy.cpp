#include "backends/opencl/copy_step.h"
#include "backends/opencl/kernel_types.h"
#include "backends/opencl/nest.h"
#include "backends/opencl/single_node.h"
#include "backends/shared/copies.h"
#include "layers/padding_window.h"

namespace layerwise {
namespace opencl {
namespace {

std::unique_ptr<Step> bindIdentity(const Identity&, const BindContext& c, const Device& device) {
  return bindCopies(device, {{c.outputs[0], c.inputs[0]}});
}

std::unique_ptr<Step> bindConcatenation(const Concatenation& a, const BindContext& c,
                                        const Device& device) {
  const BufferView& out = c.outputs[0];
  int rank = out.dims.rank(), axis = axisOf(a.axis, rank);
  Dims start = Dims::filled(rank, 0), ones = Dims::filled(rank, 1);
  std::vector<CopyPiece> pieces;
  for (const BufferView& in : c.inputs) {
    pieces.push_back({box(out, start, ones, in.dims), in});
    start[axis] += in.dims[axis];
  }
  return bindCopies(device, pieces);
}

std::unique_ptr<Step> bindSlice(const Slice& a, const BindContext& c, const Device& device) {
  BufferView from = slicedView(a, c);
  if (from.dims.volume() == 0) return std::make_unique<ClStep>();
  return bindCopies(device, {{c.outputs[0], from}});
}

/// The fill value in the form that memory of `type` holds, in the low bytes of a number.
cl_ulong fillBits(DataType type, double value) {
  ReferenceTensor element({type, {1}});
  element.values[0] = value;
  cl_ulong bits = 0;
  element.write(&bits);
  return bits;
}

std::unique_ptr<Step> bindPadding(const Padding& a, const BindContext& c, const Device& device) {
  const BufferView &in = c.inputs[0], &out = c.outputs[0];
  PaddingWindow w = resolvePadding(a, in.dims);
  std::vector<Loop<4>> loops;
  for (int axis = 0; axis < out.dims.rank(); ++axis)
    loops.push_back(
        {out.dims[axis], {out.strides[axis], in.strides[axis], w.pre[axis], in.dims[axis]}});
  // Neighbouring work items write neighbouring elements.
  std::stable_sort(loops.begin(), loops.end(),
                   [](const auto& p, const auto& q) { return p.strides[0] > q.strides[0]; });
  Nest nest = nestOf<4>(loops);
  if (nest.total == 0) return std::make_unique<ClStep>();
  ProgramSource source{.file = "copy.cl"};
  defineCopyType(source, out.type);
  if (a.fill == PaddingFill::kReflect) source.define("REFLECT", "1");
  if (a.fill == PaddingFill::kEdge) source.define("EDGE", "1");
  std::vector<Argument> arguments{Argument::view(out), Argument::view(in), Argument::value(nest),
                                  Argument::value(fillBits(out.type, a.value))};
  return std::make_unique<ClStep>(std::vector<Launch>{
      launchOver(nest.total, device.program(source), "pad", std::move(arguments))});
}

std::unique_ptr<Step> bindPixelShuffle(const PixelShuffle& a, const BindContext& c,
                                       const Device& device) {
  return bindCopy(device, c.outputs[0], c.inputs[0],
                  pixelShuffleLoops(a, c.inputs[0], c.outputs[0]));
}

Nest nestOver(const std::vector<StridedAxis>& axes) {
  std::vector<Loop<1>> loops;
  for (const StridedAxis& axis : axes) loops.push_back({axis.size, {axis.stride}});
  return nestOf<1>(loops);
}

std::unique_ptr<Step> bindShuffle(const Shuffle& a, const BindContext& c, const Device& device) {
  const BufferView &in = c.inputs[0], &out = c.outputs[0];
  if (out.dims.volume() == 0) return std::make_unique<ClStep>();
  ShufflePlan plan = planShuffle(a, in, out);
  if (plan.inPlace) return std::make_unique<ClStep>();
  if (plan.loops && plan.loops->size() <= Nest::kAxes)
    return bindCopy(device, out, in, std::move(*plan.loops));
  ProgramSource source{.file = "copy.cl"};
  defineCopyType(source, out.type);
  std::vector<Argument> arguments{Argument::view(out), Argument::view(in),
                                  Argument::value(nestOver(plan.to)),
                                  Argument::value(nestOver(plan.from))};
  return std::make_unique<ClStep>(std::vector<Launch>{
      launchOver(out.dims.volume(), device.program(source), "renumber", std::move(arguments))});
}

std::shared_ptr<const void> packConstant(const Constant&, const Node& node, const Device& device) {
  const ConstantData& data = node.weights[0];
  if (isFloat(data.type))
    return std::make_shared<cl::Buffer>(device.upload(floatWeights(data), node.name));
  return std::make_shared<cl::Buffer>(device.upload(
      data.bytes.get(), static_cast<std::size_t>(data.count) * sizeOf(data.type), node.name));
}

std::unique_ptr<Step> bindConstant(const Constant&, const BindContext& c, const Device& device) {
  const BufferView& out = c.outputs[0];
  BufferView from{0, 0, out.type, out.dims, denseStrides(Layout::linear(out.type), out.dims)};
  return bindCopies(device, {{out, from, *static_cast<const cl::Buffer*>(c.packed.get())}});
}

std::unique_ptr<Step> bindShape(const Shape&, const BindContext& c, const Device& device) {
  const Node& node = c.graph.node(c.candidate.nodes[0]);
  const Dims& dims = c.shapes.values[static_cast<std::size_t>(node.inputs[0])].dims;
  std::vector<std::int64_t> values(dims.begin(), dims.end());
  BufferView from{0, 0, DataType::kInt64, {dims.rank()}, {1}};
  return bindCopies(device, {{c.outputs[0], from, device.upload(values, node.name)}});
}

template <class A>
bool takesAny(const A&, const NodeInfo&) {
  return true;
}

}  // namespace
}  // namespace opencl

void registerTactic_copy(opencl::TacticRegistry& registry) {
  using namespace opencl;
  addPortable<Identity>(registry, {.takes = takesAny<Identity>,
                                   .flopsPerOutput = 0,
                                   .channelsLast = true,
                                   .bind = bindIdentity});
  addPortable<Concatenation>(registry, {.takes = takesAny<Concatenation>,
                                        .flopsPerOutput = 0,
                                        .channelsLast = true,
                                        .bind = bindConcatenation});
  addPortable<Slice>(registry, {.takes = takesAny<Slice>,
                                .flopsPerOutput = 0,
                                .channelsLast = true,
                                .inputs = 1,
                                .bind = bindSlice});
  addPortable<Padding>(
      registry,
      {.takes = takesAny<Padding>, .flopsPerOutput = 0, .channelsLast = true, .bind = bindPadding});
  addPortable<PixelShuffle>(registry, {.takes = takesAny<PixelShuffle>,
                                       .flopsPerOutput = 0,
                                       .channelsLast = true,
                                       .bind = bindPixelShuffle});
  addPortable<Shuffle>(
      registry,
      {.takes = takesAny<Shuffle>, .flopsPerOutput = 0, .inputs = 1, .bind = bindShuffle});
  addPortable<Constant>(registry, {.takes = takesAny<Constant>,
                                   .flopsPerOutput = 0,
                                   .half = false,
                                   .pack = packConstant,
                                   .bind = bindConstant});
  addPortable<Shape>(registry, {.takes = takesAny<Shape>,
                                .flopsPerOutput = 0,
                                .inputs = 0,
                                .half = false,
                                .bind = bindShape});
}

}  // namespace layerwise
