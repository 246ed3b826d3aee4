#include <limits>

#include "backends/cpu/channel_lanes.h"
#include "backends/cpu/single_node.h"
#include "layers/spatial.h"

namespace layerwise {
namespace cpu {
namespace {

template <class T>
constexpr T kLowest = std::numeric_limits<T>::has_infinity ? -std::numeric_limits<T>::infinity()
                                                           : std::numeric_limits<T>::min();

template <class T>
std::unique_ptr<Step> bindTyped(const Pooling& a, const BindContext& c) {
  BufferView in = c.inputs[0], out = c.outputs[0];
  Window3 w(resolveWindow(a, in.dims), in.dims);
  ChannelLanes lanes(out);
  Strides3 from(in), to(out);
  std::int64_t rows = w.out[0] * w.out[1];
  bool average = a.type == PoolingType::kAverage, countPadding = a.averageCountsPadding;
  return makeStep(lanes.pieces * rows, [=](std::int64_t tile, const Worker& worker) {
    std::int64_t piece = tile / rows, channel = lanes.firstChannel(piece);
    std::int64_t image = lanes.image(piece), count = lanes.lanes(piece);
    std::int64_t at[3] = {tile % rows / w.out[1], tile % w.out[1], 0};
    const T* x = worker.data<T>(in) + image * in.strides[0] + channel * in.strides[1];
    T* y = worker.data<T>(out) + image * out.strides[0] + channel * out.strides[1];
    for (at[2] = 0; at[2] < w.out[2]; ++at[2]) {
      std::int64_t begin[3], end[3], real = 1, padded = 1;
      for (int i = 0; i < 3; ++i) {
        std::int64_t first = at[i] * w.stride[i] - w.pad[i];
        begin[i] = std::max<std::int64_t>(first, 0);
        end[i] = std::min(first + w.kernel[i], w.in[i]);
        real *= end[i] - begin[i];
        padded *= std::min(first + w.kernel[i], w.in[i] + w.postPad[i]) - first;
      }
      T* target = y + to(at[0], at[1], at[2]);
      // Sums are held in double: a global average has many terms.
      double sum[ChannelLanes::kMax] = {};
      T top[ChannelLanes::kMax];
      std::fill_n(top, count, kLowest<T>);
      for (std::int64_t iz = begin[0]; iz < end[0]; ++iz)
        for (std::int64_t iy = begin[1]; iy < end[1]; ++iy)
          for (std::int64_t ix = begin[2]; ix < end[2]; ++ix) {
            const T* source = x + from(iz, iy, ix);
            if (average)
              for (std::int64_t i = 0; i < count; ++i) sum[i] += source[i * in.strides[1]];
            else
              for (std::int64_t i = 0; i < count; ++i) {
                T value = source[i * in.strides[1]];
                top[i] = value > top[i] ? value : top[i];
              }
          }
      double divisor = static_cast<double>(countPadding ? padded : real);
      for (std::int64_t i = 0; i < count; ++i)
        target[i * out.strides[1]] = average ? static_cast<T>(sum[i] / divisor) : top[i];
    }
  });
}

std::unique_ptr<Step> bindPooling(const Pooling& a, const BindContext& c) {
  return withElementType(c.inputs[0].type,
                         [&](auto zero) { return bindTyped<decltype(zero)>(a, c); });
}

double flops(const Pooling& a, const NodeInfo& info) {
  SpatialWindow w = resolveWindow(a, info.inputs[0].dims);
  return static_cast<double>(info.outputs[0].dims.volume()) *
         static_cast<double>(w.kernel.volume());
}

}  // namespace
}  // namespace cpu

void registerTactic_portable_pooling(cpu::TacticRegistry& registry) {
  cpu::addPortable<Pooling>(
      registry, {.takes = [](const Pooling&,
                             const cpu::NodeInfo& info) { return cpu::allFloatOrEightBits(info); },
                 .flops = cpu::flops,
                 .channelsLast = true,
                 .bind = cpu::bindPooling});
}

}  // namespace layerwise
