#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "backends/opencl/executor.h"
#include "backends/opencl/nvidia_conv_step.h"
#include "layers/float16.h"
#include "layerwise/error.h"
#include "layerwise/thread_pool.h"

namespace layerwise::opencl {
namespace {

ConvTensor planes(int buffer, const Dims& dims) {
  ConvTensor t;
  t.view = {buffer, 0, DataType::kFloat32, dims,
            denseStrides(Layout::linear(DataType::kFloat32), dims)};
  t.image = t.view.strides[0], t.channel = t.view.strides[1];
  t.row = t.view.strides[2], t.pixel = t.view.strides[3];
  return t;
}

double valueAt(const std::vector<std::byte>& raw, std::size_t index, DataType type) {
  std::uint16_t half;
  float single;
  if (type == DataType::kFloat16) {
    std::memcpy(&half, &raw[index * sizeof half], sizeof half);
    return halfToFloat(half);
  }
  std::memcpy(&single, &raw[index * sizeof single], sizeof single);
  return single;
}

/// Whether a small convolution comes out exactly.
bool computes(const Device& device, const ConvTile& tile) {
  const ConvMath math = tile.math;
  const std::int64_t stride = tile.unit == ConvUnit::kPatch ? 1 : 2;
  ConvProblem p;
  p.images = 2, p.inChannels = 37, p.outChannels = 45;
  p.inHeight = 9, p.inWidth = 7;
  p.outHeight = (p.inHeight - 1) / stride + 1, p.outWidth = (p.inWidth - 1) / stride + 1;
  p.kernelHeight = p.kernelWidth = 3, p.strideY = p.strideX = stride, p.padY = p.padX = 1;
  std::mt19937 random(1);
  // Few bits, so that products are exact in every type and the order of sums does not matter.
  auto draw = [&](std::int64_t count) {
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float& v : values) v = static_cast<float>(static_cast<int>(random() % 17) - 8) / 8.0f;
    return values;
  };
  std::vector<float> x = draw(p.images * p.inChannels * p.inHeight * p.inWidth),
                     w = draw(p.outChannels * p.depth()), bias = draw(p.outChannels);
  ConvBinding b;
  b.problem = p;
  b.cut.tile = tile;
  b.cut.splits = 2;
  b.in = planes(1, {p.images, p.inChannels, p.inHeight, p.inWidth});
  const DataType type = math == ConvMath::kHalf ? DataType::kFloat16 : DataType::kFloat32;
  const Dims outDims{p.images, p.outChannels, p.outHeight, p.outWidth};
  b.out.view = {2, 0, type, outDims, denseStrides(Layout::channelsLast(type, 4), outDims)};
  b.out.image = b.out.view.strides[0];
  b.out.row = b.out.view.strides[2], b.out.pixel = b.out.view.strides[3];
  std::vector<std::byte> raw(static_cast<std::size_t>(outDims.volume()) * sizeOf(type));
  try {
    std::vector<BoundStep> steps(1);
    steps[0].step = bindNvidiaConv(device, b, *uploadConv(device, tile, p, w, bias));
    ClExecutor executor(device, std::make_shared<ThreadPool>(1));
    executor.prepare(
        steps, {},
        std::vector<IoBuffer>{{x.size() * sizeof(float), true, false}, {raw.size(), false, true}});
    std::vector<void*> io{x.data(), raw.data()};
    executor.run(steps, io, nullptr, {});
  } catch (const Error&) {
    return false;
  }
  std::size_t at = 0;
  for (std::int64_t n = 0; n < p.images; ++n)
    for (std::int64_t oy = 0; oy < p.outHeight; ++oy)
      for (std::int64_t ox = 0; ox < p.outWidth; ++ox)
        for (std::int64_t o = 0; o < p.outChannels; ++o, ++at) {
          double sum = bias[static_cast<std::size_t>(o)];
          for (std::int64_t c = 0; c < p.inChannels; ++c)
            for (std::int64_t ky = 0; ky < 3; ++ky)
              for (std::int64_t kx = 0; kx < 3; ++kx) {
                std::int64_t y = oy * stride - 1 + ky, xx = ox * stride - 1 + kx;
                if (y < 0 || xx < 0 || y >= p.inHeight || xx >= p.inWidth) continue;
                sum += static_cast<double>(x[static_cast<std::size_t>(
                           ((n * p.inChannels + c) * p.inHeight + y) * p.inWidth + xx)]) *
                       w[static_cast<std::size_t>(((o * p.inChannels + c) * 3 + ky) * 3 + kx)];
              }
          // The sum is exact in float; a half holds 11 bits of it.
          double got = valueAt(raw, at, type);
          if (!(std::abs(got - sum) <= (math == ConvMath::kHalf ? std::abs(sum) / 2048 : 0)))
            return false;
        }
  return true;
}

}  // namespace

bool nvidiaConvWorks(const Device& device, const ConvFamily& family) {
  const Capabilities& can = device.capabilities();
  const bool groups = family.unit != ConvUnit::kWarp;
  if (!can.inlinePtx || device.info().localBytes < 48 * 1024 ||
      (groups ? can.computeCapability != 90 : can.computeCapability < 80))
    return false;
  // One of each depth of a step.
  for (int depthBytes : {32, 64, 128}) {
    auto tile = std::find_if(convTiles(family).begin(), convTiles(family).end(), [&](auto& t) {
      return t.depthBytes == depthBytes && t.pixels <= 128 && t.channels <= 64;
    });
    if (tile != convTiles(family).end() && !computes(device, *tile)) return false;
  }
  return true;
}

}  // namespace layerwise::opencl
