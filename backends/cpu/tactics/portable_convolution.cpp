#include "backends/cpu/channel_lanes.h"
#include "backends/cpu/single_node.h"
#include "layers/spatial.h"

namespace layerwise {
namespace cpu {
namespace {

struct Kernel {
  std::vector<float> weights, bias;
};

template <class A>
std::shared_ptr<const void> packKernel(const A& a, const Node& node) {
  auto packed = std::make_shared<Kernel>();
  packed->weights = floatWeights(node.weights[0]);
  packed->bias = floatWeights(node.weights[1]);
  if (packed->bias.empty()) packed->bias.assign(static_cast<std::size_t>(a.outputs), 0);
  return packed;
}

std::int64_t ceilDivide(std::int64_t a, std::int64_t b) {
  return a >= 0 ? (a + b - 1) / b : -(-a / b);
}

/// The positions p of 0...count-1 for which p stride + shift lies in 0...size-1.
struct Range {
  Range(std::int64_t shift, std::int64_t stride, std::int64_t size, std::int64_t count)
      : begin(std::max<std::int64_t>(0, ceilDivide(-shift, stride))),
        end(std::min(count, ceilDivide(size - shift, stride))) {}
  std::int64_t begin, end;
};

/// Direct convolution: a tile computes one plane of the output, tap by tap.
std::unique_ptr<Step> bindConvolution(const Convolution& a, const BindContext& c) {
  BufferView in = c.inputs[0], out = c.outputs[0];
  Window3 w(resolveWindow(a, in.dims), in.dims);
  Strides3 from(in), to(out);
  auto packed = std::static_pointer_cast<const Kernel>(c.packed);
  std::int64_t outputs = a.outputs, groupIn = in.dims[1] / a.groups;
  std::int64_t groupOut = outputs / a.groups, depth = w.out[0];
  return makeStep(in.dims[0] * outputs * depth, [=](std::int64_t tile, const Worker& worker) {
    std::int64_t oz = tile % depth, o = tile / depth % outputs, n = tile / depth / outputs;
    const float* x =
        worker.data<float>(in) + n * in.strides[0] + o / groupOut * groupIn * in.strides[1];
    float* y = worker.data<float>(out) + n * out.strides[0] + o * out.strides[1];
    const float* tap =
        packed->weights.data() + o * groupIn * w.kernel[0] * w.kernel[1] * w.kernel[2];
    float bias = packed->bias[static_cast<std::size_t>(o)];
    for (std::int64_t oy = 0; oy < w.out[1]; ++oy)
      for (std::int64_t ox = 0; ox < w.out[2]; ++ox) y[to(oz, oy, ox)] = bias;
    for (std::int64_t i = 0; i < groupIn; ++i)
      for (std::int64_t kz = 0; kz < w.kernel[0]; ++kz)
        for (std::int64_t ky = 0; ky < w.kernel[1]; ++ky)
          for (std::int64_t kx = 0; kx < w.kernel[2]; ++kx) {
            float weight = *tap++;
            std::int64_t iz = oz * w.stride[0] - w.pad[0] + kz * w.dilation[0];
            if (iz < 0 || iz >= w.in[0]) continue;
            std::int64_t shiftY = ky * w.dilation[1] - w.pad[1];
            std::int64_t shiftX = kx * w.dilation[2] - w.pad[2];
            Range rows(shiftY, w.stride[1], w.in[1], w.out[1]);
            Range columns(shiftX, w.stride[2], w.in[2], w.out[2]);
            std::int64_t stepX = w.stride[2] * from.at[2], stepY = to.at[2];
            for (std::int64_t oy = rows.begin; oy < rows.end; ++oy) {
              const float* source =
                  x + i * in.strides[1] + from(iz, oy * w.stride[1] + shiftY, shiftX);
              float* target = y + to(oz, oy, 0);
              if (stepX == 1 && stepY == 1)
                for (std::int64_t ox = columns.begin; ox < columns.end; ++ox)
                  target[ox] += weight * source[ox];
              else
                for (std::int64_t ox = columns.begin; ox < columns.end; ++ox)
                  target[ox * stepY] += weight * source[ox * stepX];
            }
          }
  });
}

/// A tile computes one plane of the output: every input plane of the group is scattered into it.
std::unique_ptr<Step> bindDeconvolution(const Deconvolution& a, const BindContext& c) {
  BufferView in = c.inputs[0], out = c.outputs[0];
  Window3 w(resolveWindow(a, in.dims), in.dims);
  Strides3 from(in), to(out);
  auto packed = std::static_pointer_cast<const Kernel>(c.packed);
  std::int64_t outputs = a.outputs, groupIn = in.dims[1] / a.groups;
  std::int64_t groupOut = outputs / a.groups;
  std::int64_t taps = w.kernel[0] * w.kernel[1] * w.kernel[2];
  return makeStep(in.dims[0] * outputs, [=](std::int64_t tile, const Worker& worker) {
    std::int64_t o = tile % outputs, n = tile / outputs;
    std::int64_t first = o / groupOut * groupIn;
    const float* x = worker.data<float>(in) + n * in.strides[0] + first * in.strides[1];
    float* y = worker.data<float>(out) + n * out.strides[0] + o * out.strides[1];
    float bias = packed->bias[static_cast<std::size_t>(o)];
    for (std::int64_t oz = 0; oz < w.out[0]; ++oz)
      for (std::int64_t oy = 0; oy < w.out[1]; ++oy)
        for (std::int64_t ox = 0; ox < w.out[2]; ++ox) y[to(oz, oy, ox)] = bias;
    for (std::int64_t i = 0; i < groupIn; ++i) {
      const float* tap = packed->weights.data() + ((first + i) * groupOut + o % groupOut) * taps;
      for (std::int64_t kz = 0; kz < w.kernel[0]; ++kz)
        for (std::int64_t ky = 0; ky < w.kernel[1]; ++ky)
          for (std::int64_t kx = 0; kx < w.kernel[2]; ++kx) {
            float weight = *tap++;
            std::int64_t shift[3] = {kz * w.dilation[0] - w.pad[0], ky * w.dilation[1] - w.pad[1],
                                     kx * w.dilation[2] - w.pad[2]};
            Range planes(shift[0], w.stride[0], w.out[0], w.in[0]);
            Range rows(shift[1], w.stride[1], w.out[1], w.in[1]);
            Range columns(shift[2], w.stride[2], w.out[2], w.in[2]);
            for (std::int64_t iz = planes.begin; iz < planes.end; ++iz)
              for (std::int64_t iy = rows.begin; iy < rows.end; ++iy) {
                const float* source = x + i * in.strides[1] + from(iz, iy, 0);
                float* target =
                    y + to(iz * w.stride[0] + shift[0], iy * w.stride[1] + shift[1], shift[2]);
                std::int64_t step = w.stride[2] * to.at[2];
                for (std::int64_t ix = columns.begin; ix < columns.end; ++ix)
                  target[ix * step] += weight * source[ix * from.at[2]];
              }
          }
    }
  });
}

double convolutionFlops(const Convolution& a, const NodeInfo& info) {
  return 2 * static_cast<double>(info.outputs[0].dims.volume()) *
         static_cast<double>(info.inputs[0].dims[1] / a.groups * a.kernel.volume());
}

double deconvolutionFlops(const Deconvolution& a, const NodeInfo& info) {
  return 2 * static_cast<double>(info.inputs[0].dims.volume()) *
         static_cast<double>(a.outputs / a.groups * a.kernel.volume());
}

}  // namespace
}  // namespace cpu

void registerTactic_portable_convolution(cpu::TacticRegistry& registry) {
  cpu::addPortable<Convolution>(registry, {.flops = cpu::convolutionFlops,
                                           .pack = cpu::packKernel<Convolution>,
                                           .bind = cpu::bindConvolution});
  cpu::addPortable<Deconvolution>(registry, {.flops = cpu::deconvolutionFlops,
                                             .pack = cpu::packKernel<Deconvolution>,
                                             .bind = cpu::bindDeconvolution});
}

}  // namespace layerwise
