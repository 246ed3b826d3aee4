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

ConvTensor tensor(int buffer, const Layout& layout, const Dims& dims) {
  return convTensor({buffer, 0, layout.type, dims, denseStrides(layout, dims)});
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
bool computes(const Device& device, const ConvTile& tile, std::int64_t channels,
              std::int64_t stride) {
  const ConvMath math = tile.math;
  ConvProblem p;
  p.images = 2, p.inChannels = channels, p.outChannels = 45;
  p.inHeight = 9, p.inWidth = 7;
  p.outHeight = (p.inHeight - 1) / stride + 1, p.outWidth = (p.inWidth - 1) / stride + 1;
  p.kernelHeight = p.kernelWidth = 3, p.strideY = p.strideX = stride, p.padY = p.padX = 1;
  std::mt19937 random(1);
  auto draw = [&](std::int64_t count, int least, int most) {
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float& v : values)
      v = static_cast<float>(least +
                             static_cast<int>(random() % static_cast<unsigned>(most - least + 1)));
    return values;
  };
  // All bytes, of which sums are exact; otherwise few bits, so that products are exact in every
  // type and the order of sums does not matter.
  const bool bytes = math == ConvMath::kBytes;
  const std::int64_t inputs = p.images * p.inChannels * p.inHeight * p.inWidth;
  std::vector<float> x = bytes ? draw(inputs, 0, 255) : draw(inputs, -8, 8),
                     w = bytes ? draw(p.outChannels * p.depth(), -128, 127)
                               : draw(p.outChannels * p.depth(), -8, 8),
                     bias = draw(p.outChannels, -8, 8);
  const std::vector<std::uint8_t> xBytes(x.begin(), bytes ? x.end() : x.begin());
  QuantizedConvolution quantized;
  quantized.inputZeroPoint = bytes ? 77 : 0;
  const auto zero = static_cast<double>(quantized.inputZeroPoint);
  ConvBinding b;
  b.problem = p;
  b.cut.tile = tile;
  b.cut.splits = 2;
  b.in = tensor(1, Layout::linear(bytes ? DataType::kUInt8 : DataType::kFloat32),
                {p.images, p.inChannels, p.inHeight, p.inWidth});
  const DataType type = math == ConvMath::kHalf ? DataType::kFloat16 : DataType::kFloat32;
  const Dims outDims{p.images, p.outChannels, p.outHeight, p.outWidth};
  b.out = tensor(2, Layout::channelsLast(type, 4), outDims);
  std::vector<std::byte> raw(static_cast<std::size_t>(outDims.volume()) * sizeOf(type));
  try {
    std::vector<BoundStep> steps(1);
    const auto packed =
        bytes ? uploadQuantizedConv(device, tile, p, w,
                                    {quantized, std::vector<float>(bias.size(), 1), bias})
              : uploadConv(device, tile, p, w, bias);
    steps[0].step = bindNvidiaConv(device, b, *packed);
    ClExecutor executor(device, std::make_shared<ThreadPool>(1));
    executor.prepare(
        steps, {},
        std::vector<IoBuffer>{{bytes ? xBytes.size() : x.size() * sizeof(float), true, false},
                              {raw.size(), false, true}});
    std::vector<void*> io{const_cast<std::uint8_t*>(xBytes.data()), raw.data()};
    if (!bytes) io[0] = x.data();
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
                sum += (static_cast<double>(x[static_cast<std::size_t>(
                            ((n * p.inChannels + c) * p.inHeight + y) * p.inWidth + xx)]) -
                        zero) *
                       w[static_cast<std::size_t>(((o * p.inChannels + c) * 3 + ky) * 3 + kx)];
              }
          // The sum is exact in float; a half holds 11 bits of it.
          const double got = valueAt(raw, at, type);
          if (!(std::abs(got - sum) <= (math == ConvMath::kHalf ? std::abs(sum) / 2048 : 0)))
            return false;
        }
  return true;
}

}  // namespace

bool nvidiaConvWorks(const Device& device, const ConvFamily& family) {
  const Capabilities& can = device.capabilities();
  const bool patches = family.unit == ConvUnit::kPatch, warps = family.unit == ConvUnit::kWarp;
  const bool emulated = can.emulatesPtx && family.unit != ConvUnit::kWarpgroup;
  const bool able =
      can.inlinePtx && (warps ? can.computeCapability >= 80 : can.computeCapability == 90);
  if ((!able && !emulated) || device.info().localBytes < 48 * 1024) return false;
  // One of each depth of a step.
  for (int depthBytes : {32, 64, 128}) {
    auto tile = std::find_if(convTiles(family).begin(), convTiles(family).end(), [&](auto& t) {
      return t.depthBytes == depthBytes && t.pixels <= 128 && t.channels <= 64;
    });
    if (tile == convTiles(family).end()) continue;
    if (!computes(device, *tile, 37, patches ? 1 : 2)) return false;
    // A picture, in cells.
    if (patches && !computes(device, *tile, 3, 2)) return false;
  }
  return true;
}

}  // namespace layerwise::opencl
