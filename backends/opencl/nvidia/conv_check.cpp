#include <algorithm>
#include <limits>

#include "backends/opencl/nvidia/conv_strip.h"
#include "backends/opencl/nvidia/conv_trial.h"
#include "layerwise/error.h"

namespace layerwise::opencl {
namespace {

/// Whether a small convolution comes out exactly.
bool computes(const Device& device, const ConvTile& tile, std::int64_t channels,
              std::int64_t stride) {
  const bool bytes = tile.math == ConvMath::kBytes, half = tile.math == ConvMath::kHalf;
  const ConvTrial trial(tile.math, channels, stride);
  const ConvProblem& p = trial.problem;
  QuantizedConvolution quantized;
  quantized.inputZeroPoint = trial.zeroPoint;
  ConvBinding b;
  b.problem = p;
  b.cut.tile = tile;
  b.cut.splits = 2;
  b.in = trial.inputTensor();
  b.out = trial.outputTensor(half ? DataType::kFloat16 : DataType::kFloat32,
                             {p.images, p.outChannels, p.outHeight, p.outWidth});
  try {
    const auto packed =
        bytes
            ? uploadQuantizedConv(device, tile, p, trial.weights,
                                  {quantized, std::vector<float>(trial.bias.size(), 1), trial.bias})
            : uploadConv(device, tile, p, trial.weights, trial.bias);
    return agree(trial.run(device, bindNvidiaConv(device, b, *packed), b.out), trial.sums(), !half);
  } catch (const Error&) {
    return false;
  }
}

bool isHopper(const Capabilities& can) {
  return can.inlinePtx && can.computeCapability == 90;
}

}  // namespace

bool nvidiaConvWorks(const Device& device, const ConvFamily& family) {
  const Capabilities& can = device.capabilities();
  const bool patches = family.unit == ConvUnit::kPatch, warps = family.unit == ConvUnit::kWarp;
  const bool emulated = can.emulatesPtx && family.unit != ConvUnit::kWarpgroup;
  const bool able = warps ? can.inlinePtx && can.computeCapability >= 80 : isHopper(can);
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

bool stripConvWorks(const Device& device, ConvMath math) {
  const Capabilities& can = device.capabilities();
  if ((!isHopper(can) && !can.emulatesPtx) || device.info().localBytes < 48 * 1024) return false;
  const ConvTrial trial(math, 3, 2);
  const ConvProblem& p = trial.problem;
  StripBinding b;
  b.problem = {math, p, 3, 3, 1, 1, (p.outHeight + 1) / 2, (p.outWidth + 1) / 2};
  b.cut = {16, 2, 2};
  b.in = trial.inputTensor();
  b.out = trial.outputTensor(convType(math),
                             {p.images, p.outChannels, b.problem.height, b.problem.width});
  std::vector<double> most;
  const std::vector<double> sums = trial.sums();
  for (std::int64_t n = 0; n < p.images; ++n)
    for (std::int64_t y = 0; y < b.problem.height; ++y)
      for (std::int64_t x = 0; x < b.problem.width; ++x)
        for (std::int64_t o = 0; o < p.outChannels; ++o) {
          double found = -std::numeric_limits<double>::infinity();
          for (std::int64_t sy = std::max<std::int64_t>(0, 2 * y - 1);
               sy < std::min(2 * y + 2, p.outHeight); ++sy)
            for (std::int64_t sx = std::max<std::int64_t>(0, 2 * x - 1);
                 sx < std::min(2 * x + 2, p.outWidth); ++sx)
              found = std::max(
                  found, sums[static_cast<std::size_t>(
                             ((n * p.outHeight + sy) * p.outWidth + sx) * p.outChannels + o)]);
          most.push_back(found);
        }
  try {
    const auto packed = uploadStripConv(device, math, p, trial.weights, trial.bias);
    return agree(trial.run(device, bindStripConv(device, b, *packed), b.out), most,
                 math == ConvMath::kTf32);
  } catch (const Error&) {
    return false;
  }
}

}  // namespace layerwise::opencl
