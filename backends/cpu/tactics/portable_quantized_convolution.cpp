#include "backends/cpu/channel_lanes.h"
#include "backends/cpu/plain_activation.h"
#include "backends/cpu/single_node.h"
#include "backends/shared/folded_quantization.h"
#include "layers/activate.h"
#include "layers/round_to_even.h"
#include "layers/spatial.h"

namespace layerwise {
namespace cpu {
namespace {

constexpr std::int64_t kLanes = ChannelLanes::kMax;

struct Kernel {
  std::vector<std::int8_t> weights;  ///< [tap][input channel of the group][output]
  std::vector<float> scales, bias;
  QuantizedConvolution layer;  ///< what scales and bias belong to
};

std::shared_ptr<const void> pack(const QuantizedConvolution& a, const Node& node) {
  auto packed = std::make_shared<Kernel>();
  std::int64_t outputs = a.convolution.outputs, taps = a.convolution.kernel.volume();
  std::int64_t groupIn = node.weights[0].count / outputs / taps;
  packed->weights.resize(static_cast<std::size_t>(node.weights[0].count));
  const auto* from = node.weights[0].as<std::int8_t>();
  for (std::int64_t o = 0; o < outputs; ++o)
    for (std::int64_t i = 0; i < groupIn; ++i)
      for (std::int64_t tap = 0; tap < taps; ++tap)
        packed->weights[static_cast<std::size_t>((tap * groupIn + i) * outputs + o)] = *from++;
  FoldedQuantization folded = foldedQuantization(node);
  packed->scales = std::move(folded.scales), packed->bias = std::move(folded.bias);
  packed->layer = folded.layer;
  return packed;
}

/// The sums of a pixel for up to kLanes neighbouring output channels.
class Sums {
 public:
  Sums(const QuantizedConvolution& a, const BufferView& in)
      : w_(resolveWindow(a.convolution, in.dims), in.dims),
        strides_(in),
        channelStride_(in.strides[1]),
        outputs_(a.convolution.outputs),
        groupIn_(in.dims[1] / a.convolution.groups),
        groupOut_(outputs_ / a.convolution.groups),
        zero_(static_cast<std::int32_t>(a.inputZeroPoint)) {}

  /// `at`: the pixel of the output; channels first...first + count - 1.
  void operator()(const std::uint8_t* image, const Kernel& kernel, const std::int64_t (&at)[3],
                  std::int64_t first, std::int64_t count, std::int32_t* sums) const {
    std::fill_n(sums, count, 0);
    bool oneGroup = first / groupOut_ == (first + count - 1) / groupOut_;
    std::int64_t group = first / groupOut_;
    const std::int8_t* tap = kernel.weights.data() + first;
    std::int64_t position[3];
    for (std::int64_t kz = 0; kz < w_.kernel[0]; ++kz)
      for (std::int64_t ky = 0; ky < w_.kernel[1]; ++ky)
        for (std::int64_t kx = 0; kx < w_.kernel[2]; ++kx, tap += groupIn_ * outputs_) {
          const std::int64_t window[3] = {kz, ky, kx};
          bool inside = true;
          for (int i = 0; i < 3; ++i) {
            position[i] = at[i] * w_.stride[i] - w_.pad[i] + window[i] * w_.dilation[i];
            inside = inside && position[i] >= 0 && position[i] < w_.in[i];
          }
          if (!inside) continue;
          const std::uint8_t* pixel = image + strides_(position[0], position[1], position[2]);
          for (std::int64_t i = 0; i < groupIn_; ++i) {
            const std::int8_t* weights = tap + i * outputs_;
            if (oneGroup) {
              std::int32_t x = pixel[(group * groupIn_ + i) * channelStride_] - zero_;
              for (std::int64_t l = 0; l < count; ++l) sums[l] += x * weights[l];
            } else {
              for (std::int64_t l = 0; l < count; ++l) {
                std::int64_t channel = (first + l) / groupOut_ * groupIn_ + i;
                sums[l] += (pixel[channel * channelStride_] - zero_) * weights[l];
              }
            }
          }
        }
  }

  const Window3& window() const { return w_; }

 private:
  Window3 w_;
  Strides3 strides_;
  std::int64_t channelStride_, outputs_, groupIn_, groupOut_;
  std::int32_t zero_;
};

/// Adds what stands beside the convolution: nothing, a quantised tensor or one of floats.
class Residual {
 public:
  Residual(const QuantizedConvolution& a, const BindContext& c)
      : order_(a.residual),
        scale_(static_cast<float>(a.residualScale)),
        zero_(static_cast<std::int32_t>(a.residualZeroPoint)) {
    if (order_ != ResidualOrder::kNoResidual) view_ = c.inputs[1];
  }

  bool is(ResidualOrder order) const { return order_ == order; }

  void add(const Worker& worker, std::int64_t offset, std::int64_t count, float* y) const {
    std::int64_t step = view_.strides[1];
    if (view_.type == DataType::kFloat32) {
      const float* r = worker.data<float>(view_) + offset;
      for (std::int64_t l = 0; l < count; ++l) y[l] = std::fma(r[l * step], scale_, y[l]);
    } else {
      const std::uint8_t* r = worker.data<std::uint8_t>(view_) + offset;
      for (std::int64_t l = 0; l < count; ++l)
        y[l] = std::fma(static_cast<float>(r[l * step] - zero_), scale_, y[l]);
    }
  }

  std::int64_t offset(std::int64_t image, std::int64_t channel, const std::int64_t (&at)[3]) const {
    if (order_ == ResidualOrder::kNoResidual) return 0;
    return image * view_.strides[0] + channel * view_.strides[1] +
           Strides3(view_)(at[0], at[1], at[2]);
  }

 private:
  ResidualOrder order_;
  float scale_;
  std::int32_t zero_;
  BufferView view_;
};

/// Stores floats, or the uint8 that stand for them.
class Store {
 public:
  Store(const QuantizedConvolution& a, const BufferView& out)
      : view_(out),
        inverse_(1 / static_cast<float>(a.outputScale)),
        zero_(static_cast<float>(a.outputZeroPoint)) {}

  void operator()(const Worker& worker, std::int64_t offset, std::int64_t count,
                  const float* y) const {
    std::int64_t step = view_.strides[1];
    if (view_.type == DataType::kFloat32) {
      float* to = worker.data<float>(view_) + offset;
      for (std::int64_t l = 0; l < count; ++l) to[l * step] = y[l];
      return;
    }
    std::uint8_t* to = worker.data<std::uint8_t>(view_) + offset;
    for (std::int64_t l = 0; l < count; ++l) {
      // The bounds are integers: to clamp before rounding is the same, and fits an integer.
      float quanta = std::max(-zero_, std::min(255 - zero_, y[l] * inverse_));
      to[l * step] = static_cast<std::uint8_t>(roundToEven(quanta) + zero_);
    }
  }

 private:
  BufferView view_;
  float inverse_, zero_;
};

/// A tile computes a row of pixels for up to kLanes output channels.
template <class Activate>
std::unique_ptr<Step> bindWith(const QuantizedConvolution& a, const BindContext& c,
                               Activate activate) {
  BufferView in = c.inputs[0], out = c.outputs[0];
  Sums sum(a, in);
  Residual residual(a, c);
  Store store(a, out);
  Strides3 to(out);
  auto packed = std::static_pointer_cast<const Kernel>(c.packed);
  std::int64_t outputs = a.convolution.outputs, blocks = (outputs + kLanes - 1) / kLanes;
  std::int64_t rows = sum.window().out[0] * sum.window().out[1];
  return makeStep(in.dims[0] * blocks * rows, [=](std::int64_t tile, const Worker& worker) {
    std::int64_t row = tile % rows, block = tile / rows % blocks, n = tile / rows / blocks;
    std::int64_t first = block * kLanes, count = std::min(kLanes, outputs - first);
    const std::uint8_t* image = worker.data<std::uint8_t>(in) + n * in.strides[0];
    std::int64_t at[3] = {row / sum.window().out[1], row % sum.window().out[1], 0};
    std::int32_t sums[kLanes];
    float y[kLanes];
    for (; at[2] < sum.window().out[2]; ++at[2]) {
      sum(image, *packed, at, first, count, sums);
      for (std::int64_t l = 0; l < count; ++l) {
        auto channel = static_cast<std::size_t>(first + l);
        y[l] =
            std::fma(static_cast<float>(sums[l]), packed->scales[channel], packed->bias[channel]);
      }
      std::int64_t beside = residual.offset(n, first, at);
      if (residual.is(ResidualOrder::kBeforeActivation)) residual.add(worker, beside, count, y);
      for (std::int64_t l = 0; l < count; ++l) y[l] = activate(y[l]);
      if (residual.is(ResidualOrder::kAfterActivation)) residual.add(worker, beside, count, y);
      std::int64_t offset = n * out.strides[0] + first * out.strides[1] + to(at[0], at[1], at[2]);
      store(worker, offset, count, y);
    }
  });
}

std::unique_ptr<Step> bind(const QuantizedConvolution&, const BindContext& c) {
  const QuantizedConvolution& a = static_cast<const Kernel*>(c.packed.get())->layer;
  if (!a.activated) return bindWith(a, c, [](float x) { return x; });
  return withActivation(withFloat32Parameters(a.activation),
                        [&](auto f) { return bindWith(a, c, f); });
}

double flops(const QuantizedConvolution& a, const NodeInfo& info) {
  return 2 * static_cast<double>(info.outputs[0].dims.volume()) *
         static_cast<double>(info.inputs[0].dims[1] / a.convolution.groups *
                             a.convolution.kernel.volume());
}

}  // namespace
}  // namespace cpu

void registerTactic_portable_quantized_convolution(cpu::TacticRegistry& registry) {
  cpu::addPortable<QuantizedConvolution>(
      registry, {.takes = [](const QuantizedConvolution&, const cpu::NodeInfo&) { return true; },
                 .flops = cpu::flops,
                 .channelsLast = true,
                 .pack = cpu::pack,
                 .bind = cpu::bind});
}

}  // namespace layerwise
