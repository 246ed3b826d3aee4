#include "backends/cpu/channel_lanes.h"
#include "backends/cpu/single_node.h"
#include "backends/shared/resize_taps.h"

namespace layerwise {
namespace cpu {
namespace {

template <class T>
std::unique_ptr<Step> bindTyped(const Resize& a, const BindContext& c) {
  BufferView in = c.inputs[0], out = c.outputs[0];
  ChannelLanes lanes(out);
  Strides3 from(in), to(out);
  int spatial = out.dims.rank() - 2;
  AxisTaps axes[3];
  std::int64_t size[3] = {1, 1, 1};
  for (int i = 0; i < spatial; ++i) {
    axes[3 - spatial + i] = resizeTaps(a, in.dims, out.dims, i + 2);
    size[3 - spatial + i] = out.dims[i + 2];
  }
  std::int64_t rows = size[0] * size[1];
  return makeStep(lanes.pieces * rows, [=, z = axes[0], y = axes[1], x = axes[2], height = size[1],
                                        width = size[2]](std::int64_t tile, const Worker& worker) {
    std::int64_t piece = tile / rows, channel = lanes.firstChannel(piece);
    std::int64_t image = lanes.image(piece), count = lanes.lanes(piece);
    std::int64_t row = tile % height, plane = tile % rows / height;
    const T* source = worker.data<T>(in) + image * in.strides[0] + channel * in.strides[1];
    T* target = worker.data<T>(out) + image * out.strides[0] + channel * out.strides[1];
    const ResizeTaps& tz = z.at[static_cast<std::size_t>(plane)];
    const ResizeTaps& ty = y.at[static_cast<std::size_t>(row)];
    for (std::int64_t column = 0; column < width; ++column) {
      const ResizeTaps& tx = x.at[static_cast<std::size_t>(column)];
      float sum[ChannelLanes::kMax] = {};
      for (int i = 0; i < z.count; ++i)
        for (int j = 0; j < y.count; ++j)
          for (int k = 0; k < x.count; ++k) {
            float weight = tz.weight[i] * ty.weight[j] * tx.weight[k];
            const T* tap = source + from(tz.index[i], ty.index[j], tx.index[k]);
            if (x.count == 1)  // nearest: a copy, whatever the value
              for (std::int64_t l = 0; l < count; ++l) sum[l] = tap[l * in.strides[1]];
            else
              for (std::int64_t l = 0; l < count; ++l) sum[l] += weight * tap[l * in.strides[1]];
          }
      T* at = target + to(plane, row, column);
      for (std::int64_t l = 0; l < count; ++l) at[l * out.strides[1]] = static_cast<T>(sum[l]);
    }
  });
}

std::unique_ptr<Step> bindResize(const Resize& a, const BindContext& c) {
  return withElementType(c.inputs[0].type,
                         [&](auto zero) { return bindTyped<decltype(zero)>(a, c); });
}

double flops(const Resize& a, const NodeInfo& info) {
  return resizeFlops(a, info.outputs[0].dims);
}

}  // namespace
}  // namespace cpu

void registerTactic_portable_resize(cpu::TacticRegistry& registry) {
  cpu::addPortable<Resize>(
      registry, {.takes = [](const Resize&,
                             const cpu::NodeInfo& info) { return cpu::allFloatOrEightBits(info); },
                 .flops = cpu::flops,
                 .channelsLast = true,
                 .bind = cpu::bindResize});
}

}  // namespace layerwise
