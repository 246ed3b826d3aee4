#include "backends/opencl/nvidia_conv_step.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "backends/opencl/activation_function.h"
#include "backends/opencl/executor.h"
#include "backends/opencl/nest.h"
#include "backends/opencl/nvidia_wgmma.h"
#include "layers/float16.h"
#include "layerwise/thread_pool.h"

namespace layerwise::opencl {
namespace {

DataType typeOf(ConvMath math) {
  return math == ConvMath::kHalf ? DataType::kFloat16 : DataType::kFloat32;
}

/// The kernel's struct of the same name.
struct GatherGeometry {
  cl_int chunks;
  cl_int height, width, channels;
  cl_int inWidth, inChannels;
  cl_int inRow, inPixel, inChannel;
  cl_int unused;
  cl_long inImage;
};

/// Whether 16 bytes at any pixel and any whole chunk of channels may be accessed at once.
bool isAligned(const ConvTensor& t) {
  const auto chunk = static_cast<std::int64_t>(16 / sizeOf(t.view.type));
  return t.view.byteOffset % 16 == 0 && t.image % chunk == 0 && t.row % chunk == 0 &&
         t.pixel % chunk == 0;
}

/// Whether all pixels of all images lie one stride apart.
bool isFlat(const ConvTensor& t, std::int64_t images, std::int64_t height, std::int64_t width) {
  return (height == 1 || t.row == t.pixel * width) &&
         (images == 1 || t.image == t.pixel * width * height);
}

/// Rounds to TF32's 10 bits of fraction, halves away from zero: what the kernel does to its inputs.
float toTf32(float value) {
  auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7f800000u) == 0x7f800000u) return value;
  return std::bit_cast<float>((bits + 0x1000u) & ~0x1fffu);
}

struct ActivationText {
  std::string text = "leastOf(mostOf(x, alpha), beta)";
  float alpha = -std::numeric_limits<float>::infinity();
  float beta = std::numeric_limits<float>::infinity();
};

/// Most networks need one of two forms, so that few programs serve them.
ActivationText activationText(const Activation* a, ConvMath math) {
  ActivationText result;
  if (!a) return result;
  if (a->type == ActivationType::kRelu) {
    result.alpha = 0;
    return result;
  }
  ActivationFunction function = activationFunction(*a);
  result.alpha = function.alpha, result.beta = function.beta;
  if (a->type == ActivationType::kClip) return result;
  result.text = a->type == ActivationType::kSilu && math == ConvMath::kHalf
                    ? "quickSilu(x)"
                    : function.name + "(x, alpha, beta)";
  return result;
}

}  // namespace

std::shared_ptr<const PackedConv> uploadConv(const Device& device, const ConvTile& tile,
                                             const ConvProblem& problem,
                                             const std::vector<float>& weights,
                                             const std::vector<float>& bias) {
  auto packed = std::make_shared<PackedConv>();
  std::vector<float> values = packConvWeights(problem, tile, weights.data());
  const ConvMath math = tile.math;
  if (math == ConvMath::kHalf) {
    std::vector<std::uint16_t> halves(values.size());
    std::transform(values.begin(), values.end(), halves.begin(), halfFromFloat);
    packed->weights = device.upload(halves, "packed weights");
  } else {
    if (math == ConvMath::kTf32)
      std::transform(values.begin(), values.end(), values.begin(), toTf32);
    packed->weights = device.upload(values, "packed weights");
  }
  std::vector<float> padded(static_cast<std::size_t>(convWeightRows(problem.outChannels)), 0);
  std::copy(bias.begin(), bias.end(), padded.begin());
  packed->bias = device.upload(padded, "a bias");
  return packed;
}

std::unique_ptr<Step> bindNvidiaConv(const Device& device, const ConvBinding& b,
                                     const PackedConv& packed) {
  const DataType type = typeOf(b.cut.tile.math);
  const ChunkedConv chunked(b.problem, b.cut.tile.math);
  const ConvProblem& p = chunked.problem;
  const ConvTile& tile = b.cut.tile;
  std::vector<Launch> launches;
  std::size_t workspace = 0;

  ConvGeometry g{};
  g.pixels = toInt(p.pixels()), g.channels = toInt(p.outChannels), g.depth = toInt(p.depth());
  g.imagePixels = toInt(p.outHeight * p.outWidth), g.width = toInt(p.outWidth);
  g.inHeight = toInt(p.inHeight), g.inWidth = toInt(p.inWidth), g.inChannels = toInt(p.inChannels);
  g.kernelWidth = toInt(p.kernelWidth);
  g.strideY = toInt(p.strideY), g.strideX = toInt(p.strideX);
  g.dilationY = toInt(p.dilationY), g.dilationX = toInt(p.dilationX);
  g.padY = toInt(p.padY), g.padX = toInt(p.padX);
  g.outRow = toInt(b.out.row), g.outPixel = toInt(b.out.pixel), g.outImage = b.out.image;
  g.weightRow = convWeightRow(p.depth(), b.cut.tile.math),
  g.weightRows = convWeightRows(p.outChannels);
  g.stepsPerSplit = convStepsPerSplit(b.cut, p);
  g.vectors = isAligned(b.out) ? 1 : 0;
  g.flat = isFlat(b.out, p.images, p.outHeight, p.outWidth) ? 1 : 0;
  ActivationText activation = activationText(b.activation, b.cut.tile.math);
  g.alpha = activation.alpha, g.beta = activation.beta;

  Argument in = Argument::view(b.in.view);
  if (chunked.asGiven && b.in.view.type == type && b.in.channel == 1 && isAligned(b.in)) {
    g.inRow = toInt(b.in.row), g.inPixel = toInt(b.in.pixel), g.inImage = b.in.image;
    if (p.strideY == 1 && p.strideX == 1 && isFlat(b.in, p.images, p.inHeight, p.inWidth))
      g.flat |= 4;
  } else {
    g.inPixel = toInt(p.inChannels), g.inRow = toInt(p.inChannels * p.inWidth);
    g.inImage = p.inHeight * p.inWidth * p.inChannels;
    const auto chunk = static_cast<std::int64_t>(16 / sizeOf(type));
    GatherGeometry gather{};
    gather.chunks = toInt(p.images * g.inImage / chunk);
    gather.height = toInt(p.inHeight);
    gather.width = toInt(chunked.paired ? 2 * p.inWidth : p.inWidth);
    gather.channels = toInt(chunked.channels);
    gather.inWidth = toInt(b.problem.inWidth), gather.inChannels = toInt(b.problem.inChannels);
    gather.inRow = toInt(b.in.row), gather.inPixel = toInt(b.in.pixel);
    gather.inChannel = toInt(b.in.channel), gather.inImage = b.in.image;
    ProgramSource source{.file = "nvidia_conv_gather.cl"};
    source.define("IN_HALF", b.in.view.type == DataType::kFloat16);
    source.define("OUT_HALF", type == DataType::kFloat16);
    in = Argument::workspace(0, sizeOf(type));
    workspace = static_cast<std::size_t>(p.images * g.inImage) * sizeOf(type);
    workspace = (workspace + 255) / 256 * 256;
    Launch launch;
    launch.program = device.program(source);
    launch.kernel = "gather";
    launch.arguments = {Argument::view(b.in.view), in, Argument::value(gather)};
    launch.local = {256, 1, 1};
    launch.global = {(static_cast<std::size_t>(gather.chunks) + 255) / 256 * 256, 1, 1};
    launches.push_back(std::move(launch));
  }

  std::int64_t rows = p.pixels();
  ProgramSource source{.file = "nvidia_conv.cl"};
  if (tile.unit == ConvUnit::kPatch) {
    const ConvPatch patch(p, tile);
    g.images = toInt(p.images), g.kernelHeight = toInt(p.kernelHeight);
    g.linePositions = toInt(patch.linePositions), g.imageLines = toInt(patch.imageLines);
    g.patchRows = toInt(patch.rows), g.planeBytes = toInt(patch.planeBytes);
    rows = patch.positions;
    source.file = "nvidia_conv_patch.cl";
    source.define("KERNEL_WIDTH", p.kernelWidth);
    source.define("A_PASSES", patch.passes);
    source.define("LOCAL_BYTES", patch.localBytes);
  } else {
    source.define("POINTWISE", p.pointwise());
  }
  for (auto& [name, value] : tile.defines()) source.define(name, value);
  source.define("SPLIT", b.cut.splits > 1);
  source.define("ACTIVATE(x, alpha, beta)", activation.text);
  if (tile.unit != ConvUnit::kWarp) openWgmma(source);
  Launch launch;
  launch.program = device.program(source);
  launch.kernel = "convolution";
  launch.arguments = {in, Argument::memory(packed.weights), Argument::memory(packed.bias)};
  if (b.residualPlace) {
    g.residualPlace = b.residualPlace;
    g.residualRow = toInt(b.residual.row), g.residualPixel = toInt(b.residual.pixel);
    g.residualImage = b.residual.image;
    if (isAligned(b.residual)) g.vectors |= 2;
    if (isFlat(b.residual, p.images, p.outHeight, p.outWidth)) g.flat |= 2;
  }
  launch.arguments.push_back(Argument::view(b.residualPlace ? b.residual.view : b.out.view));
  const std::int64_t groupsOfDepth = (convSteps(tile, p) + g.stepsPerSplit - 1) / g.stepsPerSplit;
  if (b.cut.splits > 1) {
    launch.arguments.push_back(Argument::workspace(workspace, sizeof(float)));
    launch.arguments.push_back(Argument::counters(convTileCount(tile, p)));
    workspace += static_cast<std::size_t>(convTileCount(tile, p) * groupsOfDepth * tile.pixels *
                                          tile.channels) *
                 sizeof(float);
  }
  launch.arguments.push_back(Argument::view(b.out.view));
  launch.arguments.push_back(Argument::value(g));
  const auto threads = static_cast<std::size_t>(tile.threads());
  auto groups = [](std::int64_t all, int of) {
    return static_cast<std::size_t>((all + of - 1) / of);
  };
  launch.local = {threads, 1, 1};
  launch.global = {threads * groups(p.outChannels, tile.channels), groups(rows, tile.pixels),
                   static_cast<std::size_t>(groupsOfDepth)};
  launches.push_back(std::move(launch));
  return std::make_unique<ClStep>(std::move(launches), workspace);
}

}  // namespace layerwise::opencl
