#include "backends/opencl/window.h"
#include "backends/opencl/kernel_types.h"
#include "backends/opencl/single_node.h"
#include "backends/shared/resize_taps.h"

namespace layerwise {
namespace opencl {
namespace {

std::unique_ptr<Step> bindPooling(const Pooling& a, const BindContext& c, const Device& device) {
  const BufferView &in = c.inputs[0], &out = c.outputs[0];
  if (out.dims.volume() == 0) return std::make_unique<ClStep>();
  WindowArgument window(Window3(resolveWindow(a, in.dims), in.dims), out);
  ProgramSource source{.file = "pool.cl", .options = exactDivision(device)};
  defineTypes(source, {out.type, in.type});
  if (a.type == PoolingType::kAverage) {
    source.define("AVERAGE", "1");
    if (a.averageCountsPadding) source.define("COUNT_PADDING", "1");
  } else {
    source.define("LOWEST", isFloat(in.type)             ? "-INFINITY"
                            : in.type == DataType::kInt8 ? "CHAR_MIN"
                                                         : "0");
  }
  std::vector<Argument> arguments{Argument::view(out),
                                  Argument::view(in),
                                  Argument::value(window),
                                  Argument::value(ViewStrides(out)),
                                  Argument::value(ViewStrides(in)),
                                  Argument::integer(channelsInnermost(out)),
                                  Argument::integer(out.dims.volume())};
  return std::make_unique<ClStep>(std::vector<Launch>{
      launchOver(out.dims.volume(), device.program(source), "pool", std::move(arguments))});
}

std::unique_ptr<Step> bindResize(const Resize& a, const BindContext& c, const Device& device) {
  const BufferView &in = c.inputs[0], &out = c.outputs[0];
  if (out.dims.volume() == 0) return std::make_unique<ClStep>();
  AxisTaps axes[3];
  int spatial = out.dims.rank() - 2;
  for (int i = 0; i < spatial; ++i) axes[3 - spatial + i] = resizeTaps(a, in.dims, out.dims, i + 2);
  std::vector<cl_int> index;
  std::vector<cl_float> weight;
  for (const AxisTaps& axis : axes)
    for (const ResizeTaps& taps : axis.at)
      for (int i = 0; i < kMaxTaps; ++i) {
        index.push_back(toInt(taps.index[i]));
        weight.push_back(taps.weight[i]);
      }
  ProgramSource source{.file = "resize.cl"};
  defineTypes(source, {out.type, in.type});
  source.define("TAPS", axes[2].count);
  auto size = [](const AxisTaps& axis) {
    return Argument::integer(static_cast<std::int64_t>(axis.at.size()));
  };
  std::string name = c.graph.node(c.candidate.nodes[0]).name;
  std::vector<Argument> arguments{Argument::view(out),
                                  Argument::view(in),
                                  Argument::value(ViewStrides(out)),
                                  Argument::value(ViewStrides(in)),
                                  Argument::memory(device.upload(index, name)),
                                  Argument::memory(device.upload(weight, name)),
                                  Argument::integer(out.dims[1]),
                                  size(axes[0]),
                                  size(axes[1]),
                                  size(axes[2]),
                                  Argument::integer(channelsInnermost(out)),
                                  Argument::integer(out.dims.volume()),
                                  Argument::integer(axes[0].count),
                                  Argument::integer(axes[1].count)};
  return std::make_unique<ClStep>(std::vector<Launch>{
      launchOver(out.dims.volume(), device.program(source), "resize", std::move(arguments))});
}

double poolingFlops(const Pooling& a, const NodeInfo& info) {
  SpatialWindow w = resolveWindow(a, info.inputs[0].dims);
  return static_cast<double>(info.outputs[0].dims.volume()) *
         static_cast<double>(w.kernel.volume());
}

double resizingFlops(const Resize& a, const NodeInfo& info) {
  return resizeFlops(a, info.outputs[0].dims);
}

}  // namespace
}  // namespace opencl

void registerTactic_window(opencl::TacticRegistry& registry) {
  using namespace opencl;
  addPortable<Pooling>(registry, {.takes =
                                      [](const Pooling& a, const NodeInfo& info) {
                                        return allFloat(info) || a.type == PoolingType::kMax;
                                      },
                                  .flops = poolingFlops,
                                  .channelsLast = true,
                                  .bind = bindPooling});
  addPortable<Resize>(registry, {.takes =
                                     [](const Resize& a, const NodeInfo& info) {
                                       return allFloat(info) ||
                                              a.mode == InterpolationMode::kNearest;
                                     },
                                 .flops = resizingFlops,
                                 .channelsLast = true,
                                 .bind = bindResize});
}

}  // namespace layerwise
