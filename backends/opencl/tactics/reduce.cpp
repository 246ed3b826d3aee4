#include "backends/opencl/kernel_types.h"
#include "backends/opencl/nest.h"
#include "backends/opencl/single_node.h"
#include "backends/shared/reduction_loops.h"

namespace layerwise {
namespace opencl {
namespace {

/// How many work items share an output of so many terms; depends on nothing else, so that an image
/// gives the same bits in any batch.
int lanesFor(std::int64_t terms) {
  constexpr std::int64_t kWorthSharing = 128;
  constexpr int kLanes = 64;
  return terms >= kWorthSharing ? kLanes : 1;
}

Launch launchLanes(const Device& device, ProgramSource source, const char* kernel, int lanes,
                   std::int64_t outputs, std::vector<Argument> arguments) {
  source.options = exactDivision(device);
  if (lanes == 1) return launchOver(outputs, device.program(source), kernel, std::move(arguments));
  source.define("LANES", lanes);
  auto width = static_cast<std::size_t>(lanes);
  return {device.program(source),
          kernel,
          std::move(arguments),
          {static_cast<std::size_t>(outputs) * width, 1, 1},
          {width, 1, 1}};
}

std::unique_ptr<Step> stepOf(Launch launch) {
  return std::make_unique<ClStep>(std::vector<Launch>{std::move(launch)});
}

std::unique_ptr<Step> bindReduce(const Reduce& a, const BindContext& c, const Device& device) {
  const BufferView &in = c.inputs[0], &out = c.outputs[0];
  ReductionLoops loops = reductionLoops(a, in, out);
  Nest kept = simplifiedNest<2>(std::move(loops.kept));
  Nest terms = simplifiedNest<1>(std::move(loops.terms));
  if (kept.total == 0) return std::make_unique<ClStep>();
  ProgramSource source{.file = "reduce.cl"};
  source.define("REDUCE", "1");
  defineTypes(source, {out.type, in.type});
  if (isInteger(in.type)) source.define("INTEGER", "1");
  const char *combine = "COMBINE_SUM", *start = "WIDEN(0)";
  switch (a.operation) {
    case ReduceOperation::kSum:
      break;
    case ReduceOperation::kAverage:
      source.define("AVERAGE", "1");
      break;
    case ReduceOperation::kProduct:
      combine = "COMBINE_PRODUCT", start = "WIDEN(1)";
      break;
    case ReduceOperation::kMax:
      combine = "COMBINE_MAX", start = "START_MAX";
      break;
    case ReduceOperation::kMin:
      combine = "COMBINE_MIN", start = "START_MIN";
      break;
  }
  source.define("COMBINE(a, b)", std::string(combine) + "(a, b)");
  source.define("START", start);
  return stepOf(launchLanes(
      device, source, "reduce", lanesFor(terms.total), kept.total,
      {Argument::view(out), Argument::view(in), Argument::value(kept), Argument::value(terms)}));
}

std::unique_ptr<Step> bindSoftmax(const Softmax& a, const BindContext& c, const Device& device) {
  const BufferView &in = c.inputs[0], &out = c.outputs[0];
  int rank = in.dims.rank(), axis = axisOf(a.axis, rank);
  std::vector<Loop<2>> loops;
  for (int i = 0; i < rank; ++i)
    if (i != axis) loops.push_back({in.dims[i], {out.strides[i], in.strides[i]}});
  Nest kept = simplifiedNest<2>(std::move(loops));
  std::int64_t size = in.dims[axis];
  if (kept.total == 0 || size == 0) return std::make_unique<ClStep>();
  ProgramSource source{.file = "reduce.cl"};
  source.define("SOFTMAX", "1");
  defineTypes(source, {out.type, in.type});
  return stepOf(launchLanes(
      device, source, "softmax", lanesFor(size), kept.total,
      {Argument::view(out), Argument::view(in), Argument::value(kept), Argument::integer(size),
       Argument::integer(out.strides[axis]), Argument::integer(in.strides[axis])}));
}

std::unique_ptr<Step> bindNormalization(const Normalization& a, const BindContext& c,
                                        const Device& device) {
  NormalizationLoops loops = normalizationLoops(a, c);
  Nest sets = simplifiedNest<4>(std::move(loops.sets));
  Nest elements = simplifiedNest<4>(std::move(loops.elements));
  if (sets.total == 0 || elements.total == 0) return std::make_unique<ClStep>();
  ProgramSource source{.file = "reduce.cl"};
  source.define("NORMALIZE", "1");
  std::vector<DataType> types{c.outputs[0].type};
  std::vector<Argument> arguments{Argument::view(c.outputs[0])};
  for (const BufferView& in : c.inputs) {
    types.push_back(in.type);
    arguments.push_back(Argument::view(in));
  }
  if (c.inputs.size() > 1) source.define("HAS_SCALE", "1");
  if (c.inputs.size() > 2) source.define("HAS_BIAS", "1");
  defineTypes(source, types);
  arguments.push_back(Argument::value(sets));
  arguments.push_back(Argument::value(elements));
  arguments.push_back(Argument::real(a.epsilon));
  return stepOf(launchLanes(device, source, "normalization", lanesFor(elements.total), sets.total,
                            std::move(arguments)));
}

std::unique_ptr<Step> bindLrn(const Lrn& a, const BindContext& c, const Device& device) {
  const BufferView &in = c.inputs[0], &out = c.outputs[0];
  Dims channel = Dims::filled(in.dims.rank(), 0);
  channel[1] = 1;
  Nest nest = simplifiedNest<3>(loopsOver<3>(in.dims, {out.strides, in.strides, channel}));
  if (nest.total == 0) return std::make_unique<ClStep>();
  ProgramSource source{.file = "reduce.cl"};
  source.define("LRN", "1");
  defineTypes(source, {out.type, in.type});
  return stepOf(
      launchLanes(device, source, "lrn", 1, nest.total,
                  {Argument::view(out), Argument::view(in), Argument::value(nest),
                   Argument::integer(in.dims[1]), Argument::integer(a.window / 2),
                   Argument::integer((a.window - 1) / 2), Argument::integer(in.strides[1]),
                   Argument::real(a.alpha / static_cast<double>(a.window)), Argument::real(a.k),
                   Argument::real(a.beta)}));
}

std::unique_ptr<Step> bindTopK(const TopK& a, const BindContext& c, const Device& device) {
  const BufferView &in = c.inputs[0], &values = c.outputs[0], &indices = c.outputs[1];
  int rank = in.dims.rank(), axis = axisOf(a.axis, rank);
  std::vector<Loop<3>> loops;
  for (int i = 0; i < rank; ++i)
    if (i != axis)
      loops.push_back({in.dims[i], {values.strides[i], in.strides[i], indices.strides[i]}});
  Nest lines = simplifiedNest<3>(std::move(loops));
  std::int64_t size = in.dims[axis];
  if (lines.total == 0 || a.k == 0) return std::make_unique<ClStep>();
  toInt(lines.total * size);
  ProgramSource source{.file = "reduce.cl"};
  source.define("TOPK", "1");
  if (!a.largest) source.define("SMALLEST", "1");
  defineTypes(source, {values.type, in.type});
  return stepOf(launchLanes(
      device, source, "topk", 1, lines.total * size,
      {Argument::view(values), Argument::view(indices), Argument::view(in), Argument::value(lines),
       Argument::integer(size), Argument::integer(a.k), Argument::integer(values.strides[axis]),
       Argument::integer(in.strides[axis]), Argument::integer(indices.strides[axis])}));
}

template <class A>
bool takesCommon(const A&, const NodeInfo& info) {
  return allCommonTypes(info);
}

}  // namespace
}  // namespace opencl

void registerTactic_reduce(opencl::TacticRegistry& registry) {
  using namespace opencl;
  addPortable<Reduce>(registry, {.takes = takesCommon<Reduce>,
                                 .flops =
                                     [](const Reduce&, const NodeInfo& info) {
                                       return static_cast<double>(info.inputs[0].dims.volume());
                                     },
                                 .channelsLast = true,
                                 .bind = bindReduce});
  addPortable<Softmax>(registry, {.flopsPerOutput = 15, .channelsLast = true, .bind = bindSoftmax});
  addPortable<Normalization>(
      registry, {.flopsPerOutput = 8, .channelsLast = true, .bind = bindNormalization});
  addPortable<Lrn>(registry, {.flops =
                                  [](const Lrn& a, const NodeInfo& info) {
                                    return static_cast<double>(2 * a.window + 20) *
                                           static_cast<double>(info.outputs[0].dims.volume());
                                  },
                              .channelsLast = true,
                              .bind = bindLrn});
  addPortable<TopK>(registry, {.takes = takesCommon<TopK>,
                               .flops =
                                   [](const TopK&, const NodeInfo& info) {
                                     return 10 * static_cast<double>(info.inputs[0].dims.volume());
                                   },
                               .bind = bindTopK});
}

}  // namespace layerwise
