#include "backends/opencl/nvidia/conv_step.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "backends/opencl/activation_function.h"
#include "backends/opencl/executor.h"
#include "backends/opencl/kernel_types.h"
#include "backends/opencl/nest.h"
#include "backends/opencl/nvidia/wgmma.h"
#include "layers/float16.h"
#include "layers/spatial.h"
#include "layerwise/thread_pool.h"

namespace layerwise::opencl {
namespace {

/// The kernel's struct of the same name.
struct GatherGeometry {
  cl_int chunks;
  cl_int height, width, channels;
  cl_int inWidth, inChannels;
  cl_int inRow, inPixel, inChannel;
  cl_int outside;
  cl_long inImage;
  cl_int step, padX;
  cl_float inverse, zero;
};

/// Whether the kernel's ends may access 8 channels at any pixel, 16 bytes at a time.
bool takesVectors(const ConvTensor& t) {
  return isAligned(t,
                   std::min<std::int64_t>(16, 8 * static_cast<std::int64_t>(sizeOf(t.view.type))));
}

/// Whether all pixels of all images lie one stride apart.
bool isFlat(const ConvTensor& t, std::int64_t images, std::int64_t height, std::int64_t width) {
  return (height == 1 || t.row == t.pixel * width) &&
         (images == 1 || t.image == t.pixel * width * height);
}

/// A weight in TF32, rounded to 10 bits of fraction. Of what it is multiplied by the tensor cores
/// cut off the bits beyond those, a part of the number that is 0.67 to 0.72 of 2^-11 on average,
/// whether magnitudes are spread evenly or their logarithms. The weight makes up for it.
float tf32Weight(float value) {
  constexpr float kCutOff = 0.7f / 2048;
  return toTf32(value + value * kCutOff);
}

}  // namespace

bool isAligned(const ConvTensor& t, std::int64_t bytes) {
  const std::int64_t elements = bytes / static_cast<std::int64_t>(sizeOf(t.view.type));
  return t.view.byteOffset % static_cast<std::size_t>(bytes) == 0 && t.image % elements == 0 &&
         t.row % elements == 0 && t.pixel % elements == 0;
}

bool holdsPairs(const ConvTensor& t) {
  return t.pixel == 1 && t.view.byteOffset % (2 * sizeOf(t.view.type)) == 0 && t.image % 2 == 0 &&
         t.row % 2 == 0 && t.channel % 2 == 0;
}

ActivationText activationText(const Activation* a, bool shortOutput) {
  ActivationText result;
  if (!a) return result;
  if (a->type == ActivationType::kRelu) {
    result.text = "mostOf(x, 0)";
    return result;
  }
  ActivationFunction function = activationFunction(*a);
  result.alpha = function.alpha, result.beta = function.beta;
  if (a->type == ActivationType::kClip) return result;
  result.text = a->type == ActivationType::kSilu && shortOutput
                    ? "quickSilu(x)"
                    : function.name + "(x, alpha, beta)";
  return result;
}

std::vector<std::pair<ConvCut, double>> convCutsToTry(const Device& device,
                                                      const ConvFamily& family,
                                                      const ConvProblem& problem) {
  auto cuts = convCuts(family, ChunkedConv(problem, family).problem,
                       static_cast<int>(device.info().computeUnits));
  if (device.capabilities().emulatesPtx) {
    // Small tiles, which compile sooner, whole and split.
    int seen = 0;
    std::erase_if(cuts, [&seen](const auto& cut) {
      const int kind = cut.first.splits > 1 ? 2 : 1;
      if (cut.first.tile.pixels * cut.first.tile.channels > 32 * 64 || (seen & kind)) return true;
      seen |= kind;
      return false;
    });
  }
  // Measured ones beyond this many add nothing but time.
  constexpr std::size_t kMost = 12;
  if (cuts.size() > kMost) cuts.resize(kMost);
  return cuts;
}

std::string convName(const ConvFamily& family) {
  const std::string math = family.math == ConvMath::kBytes    ? "conv_u8"
                           : family.math == ConvMath::kHalf   ? "conv_f16"
                           : family.math == ConvMath::kTf32   ? "conv_tf32"
                           : family.math == ConvMath::kTf32x3 ? "conv_tf32x3"
                                                              : "conv_f32";
  return math + (family.unit == ConvUnit::kPatch       ? "_wgmma_patch"
                 : family.unit == ConvUnit::kWarpgroup ? "_wgmma"
                 : family.math == ConvMath::kFloat     ? "_cuda_core"
                                                       : "_tensor_core");
}

double convGatherSeconds(const ConvProblem& p, const ConvFamily& family) {
  const ChunkedConv chunked(p, family);
  if (chunked.asGiven || chunked.cells()) return 0;
  const ConvProblem& made = chunked.problem;
  const double bytes =
      static_cast<double>(p.images * p.inHeight * p.inWidth * p.inChannels) * sizeof(float) +
      static_cast<double>(p.images * made.inHeight * made.inWidth * made.inChannels) *
          elementBytes(family.math);
  return 4e-6 + bytes / 1.5e12;
}

DataType convType(ConvMath math) {
  return math == ConvMath::kBytes  ? DataType::kUInt8
         : math == ConvMath::kHalf ? DataType::kFloat16
                                   : DataType::kFloat32;
}

ConvTensor convTensor(const BufferView& view) {
  ConvTensor t{.view = view, .image = view.strides[0], .channel = view.strides[1]};
  const int rank = view.dims.rank();
  if (rank > 2) t.pixel = view.strides[rank - 1];
  if (rank > 3) t.row = view.strides[rank - 2];
  // Strides that nothing takes, so that they neither look unaligned.
  if (rank > 3 && view.dims[2] == 1) t.row = t.image;
  if (rank > 2 && view.dims[rank - 1] == 1) t.pixel = rank > 3 ? t.row : t.image;
  return t;
}

namespace {

bool isFixed(PaddingMode mode) {
  return mode != PaddingMode::kSameUpper && mode != PaddingMode::kSameLower;
}

}  // namespace

std::optional<ConvProblem> convProblem(const Convolution& a, const Dims& in) {
  if (a.groups != 1 || in.rank() < 3 || in.rank() > 4) return std::nullopt;
  const Window3 w(resolveWindow(a, in), in);
  ConvProblem p;
  p.images = in[0], p.inChannels = in[1], p.outChannels = a.outputs;
  p.inHeight = w.in[1], p.inWidth = w.in[2], p.outHeight = w.out[1], p.outWidth = w.out[2];
  p.kernelHeight = w.kernel[1], p.kernelWidth = w.kernel[2];
  p.strideY = w.stride[1], p.strideX = w.stride[2];
  p.dilationY = w.dilation[1], p.dilationX = w.dilation[2];
  p.padY = w.pad[1], p.padX = w.pad[2];
  p.fixedPadding = isFixed(a.paddingMode);
  return p;
}

ConvProblem convWeightProblem(const Convolution& a, std::int64_t weights) {
  ConvProblem p;
  p.outChannels = a.outputs;
  p.kernelWidth = a.kernel[a.kernel.rank() - 1];
  p.kernelHeight = a.kernel.rank() == 2 ? a.kernel[0] : 1;
  p.inChannels = weights / (p.outChannels * p.kernelHeight * p.kernelWidth);
  if (a.stride.rank()) p.strideX = a.stride[a.stride.rank() - 1];
  if (a.dilation.rank()) p.dilationX = a.dilation[a.dilation.rank() - 1];
  if (a.prePadding.rank()) p.padX = a.prePadding[a.prePadding.rank() - 1];
  if (a.kernel.rank() == 2) {
    if (a.stride.rank()) p.strideY = a.stride[0];
    if (a.dilation.rank()) p.dilationY = a.dilation[0];
    if (a.prePadding.rank()) p.padY = a.prePadding[0];
  }
  p.fixedPadding = isFixed(a.paddingMode);
  return p;
}

cl::Buffer uploadWeights(const Device& device, ConvMath math, std::vector<float> packed) {
  if (math == ConvMath::kHalf) {
    std::vector<std::uint16_t> halves(packed.size());
    std::transform(packed.begin(), packed.end(), halves.begin(), halfFromFloat);
    return device.upload(halves, "packed weights");
  }
  if (math == ConvMath::kTf32)
    std::transform(packed.begin(), packed.end(), packed.begin(), tf32Weight);
  return device.upload(packed, "packed weights");
}

std::shared_ptr<const PackedConv> uploadConv(const Device& device, const ConvTile& tile,
                                             const ConvProblem& problem,
                                             const std::vector<float>& weights,
                                             const std::vector<float>& bias) {
  auto packed = std::make_shared<PackedConv>();
  packed->weights =
      uploadWeights(device, tile.math, packConvWeights(problem, tile, weights.data()));
  std::vector<float> padded(static_cast<std::size_t>(convWeightRows(problem.outChannels)), 0);
  std::copy(bias.begin(), bias.end(), padded.begin());
  packed->constants = device.upload(padded, "a bias");
  return packed;
}

std::shared_ptr<const PackedConv> uploadQuantizedConv(const Device& device, const ConvTile& tile,
                                                      const ConvProblem& problem,
                                                      const std::vector<float>& weights,
                                                      const FoldedQuantization& folded) {
  const std::vector<float> values = packConvWeights(problem, tile, weights.data());
  std::vector<std::int8_t> bytes(values.size());
  std::transform(values.begin(), values.end(), bytes.begin(),
                 [](float value) { return static_cast<std::int8_t>(value); });
  // What sums begin with, scales, and biases.
  const auto outputs = static_cast<std::size_t>(problem.outChannels),
             rows = static_cast<std::size_t>(convWeightRows(problem.outChannels)),
             depth = weights.size() / outputs;
  std::vector<float> constants(3 * rows, 0);
  std::copy(folded.bias.begin(), folded.bias.end(),
            constants.begin() + static_cast<std::ptrdiff_t>(2 * rows));
  for (std::size_t o = 0; o < outputs; ++o) {
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < depth; ++i) sum += static_cast<int>(weights[o * depth + i]);
    constants[o] =
        std::bit_cast<float>(static_cast<std::int32_t>(-folded.layer.inputZeroPoint * sum));
    constants[rows + o] = folded.scales[o];
  }
  auto packed = std::make_shared<PackedConv>();
  packed->weights = device.upload(bytes, "packed weights");
  packed->constants = device.upload(constants, "an output channel's constants");
  packed->layer = folded.layer;
  return packed;
}

std::unique_ptr<Step> bindNvidiaConv(const Device& device, const ConvBinding& b,
                                     const PackedConv& packed) {
  const DataType type = convType(b.cut.tile.math);
  const ChunkedConv chunked(b.problem, {b.cut.tile.math, b.cut.tile.unit});
  const ConvProblem& p = chunked.problem;
  const ConvTile& tile = b.cut.tile;
  std::vector<Launch> launches;
  std::size_t workspace = 0;

  ConvGeometry g{};
  g.pixels = toInt(p.pixels()), g.channels = toInt(p.outChannels), g.depth = toInt(p.depth());
  g.imagePixels = toInt(p.outHeight * p.outWidth), g.width = toInt(p.outWidth);
  g.perImagePixels = inverseOf(g.imagePixels), g.perWidth = inverseOf(g.width);
  g.inHeight = toInt(p.inHeight), g.inWidth = toInt(p.inWidth), g.inChannels = toInt(p.inChannels);
  g.kernelWidth = toInt(p.kernelWidth);
  g.strideY = toInt(p.strideY), g.strideX = toInt(p.strideX);
  g.dilationY = toInt(p.dilationY), g.dilationX = toInt(p.dilationX);
  g.padY = toInt(p.padY), g.padX = toInt(p.padX);
  g.outRow = toInt(b.out.row), g.outPixel = toInt(b.out.pixel), g.outImage = b.out.image;
  g.weightRow = convWeightRow(p.depth(), b.cut.tile.math),
  g.weightRows = convWeightRows(p.outChannels);
  g.stepsPerSplit = convStepsPerSplit(b.cut, p);
  const bool eights = p.outChannels % 8 == 0;
  int vectors = eights && takesVectors(b.out) ? 1 : 0;
  int flat = isFlat(b.out, p.images, p.outHeight, p.outWidth) ? 1 : 0;
  ActivationText activation = activationText(b.activation, sizeOf(b.out.view.type) < sizeof(float));
  g.alpha = activation.alpha, g.beta = activation.beta;
  const QuantizedConvolution& layer = packed.layer;
  g.outputZero = toInt(layer.outputZeroPoint), g.residualZero = toInt(layer.residualZeroPoint);
  g.inverse = 1 / static_cast<float>(layer.outputScale);
  g.residualScale = static_cast<float>(layer.residualScale);
  g.outside = 0x01010101u * static_cast<std::uint32_t>(layer.inputZeroPoint);

  Argument in = Argument::view(b.in.view);
  if (chunked.cells()) {
    g.inRow = toInt(b.in.row), g.inPixel = toInt(b.in.pixel), g.inImage = b.in.image;
    g.pictureHeight = toInt(b.problem.inHeight), g.pictureWidth = toInt(b.problem.inWidth);
    g.pictureChannel = toInt(b.in.channel);
    g.pictureInverse = b.inverse, g.pictureZero = static_cast<std::int32_t>(b.zero);
  } else if (chunked.asGiven && b.in.view.type == type && b.in.channel == 1 &&
             isAligned(b.in, 16)) {
    g.inRow = toInt(b.in.row), g.inPixel = toInt(b.in.pixel), g.inImage = b.in.image;
    if (p.strideY == 1 && p.strideX == 1 && isFlat(b.in, p.images, p.inHeight, p.inWidth))
      flat |= 4;
  } else {
    g.inPixel = toInt(p.inChannels), g.inRow = toInt(p.inChannels * p.inWidth);
    g.inImage = p.inHeight * p.inWidth * p.inChannels;
    const std::int64_t chunk = chunkOf(b.cut.tile.math);
    GatherGeometry gather{};
    gather.chunks = toInt(p.images * g.inImage / chunk);
    gather.height = toInt(p.inHeight);
    gather.width = toInt(p.inWidth);
    gather.channels = toInt(chunked.channels);
    gather.inWidth = toInt(b.problem.inWidth), gather.inChannels = toInt(b.problem.inChannels);
    gather.inRow = toInt(b.in.row), gather.inPixel = toInt(b.in.pixel);
    gather.inChannel = toInt(b.in.channel), gather.inImage = b.in.image;
    gather.step = chunked.pixels > 1 ? 2 : 1;
    gather.padX = chunked.pixels > 1 ? toInt(b.problem.padX) : 0;
    gather.outside = toInt(layer.inputZeroPoint);
    gather.inverse = b.inverse, gather.zero = b.zero;
    ProgramSource source{.file = "nvidia/conv_gather.cl"};
    source.define("IN_BITS", 8 * static_cast<int>(sizeOf(b.in.view.type)));
    source.define("OUT_BITS", 8 * static_cast<int>(sizeOf(type)));
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

  if (b.residualPlace) {
    g.residualRow = toInt(b.residual.row), g.residualPixel = toInt(b.residual.pixel);
    g.residualImage = b.residual.image;
    if (eights && takesVectors(b.residual)) vectors |= 2;
    if (isFlat(b.residual, p.images, p.outHeight, p.outWidth)) flat |= 2;
  }

  std::int64_t rows = p.pixels();
  ProgramSource source{.file = "nvidia/conv.cl"};
  if (tile.unit == ConvUnit::kPatch) {
    const ConvPatch patch(p, tile);
    g.images = toInt(p.images), g.kernelHeight = toInt(p.kernelHeight);
    g.linePositions = toInt(patch.linePositions), g.imageLines = toInt(patch.imageLines);
    g.patchLine = toInt(patch.patchLine);
    g.perLinePositions = inverseOf(g.linePositions), g.perImageLines = inverseOf(g.imageLines);
    g.perPatchLine = inverseOf(g.patchLine);
    g.patchRows = toInt(patch.rows), g.planeBytes = toInt(patch.planeBytes);
    rows = patch.positions;
    source.file = "nvidia/conv_patch.cl";
    source.define("KERNEL_WIDTH", p.kernelWidth);
    source.define("COPIED_CHUNKS", patch.copiedChunks);
    source.define("A_PASSES", patch.passes);
    source.define("LOCAL_BYTES", patch.localBytes);
    source.define("PICTURE", chunked.cells() ? b.problem.inChannels : 0);
    if (chunked.cells()) {
      source.define("IN_BITS", 8 * static_cast<int>(sizeOf(b.in.view.type)));
      source.define("PAIRS", holdsPairs(b.in) && b.problem.inWidth % 2 == 0);
    }
  } else {
    source.define("POINTWISE", p.pointwise());
  }
  for (auto& [name, value] : tile.defines()) source.define(name, value);
  source.define("SPLIT", b.cut.splits > 1);
  source.define("EMULATED", device.capabilities().emulatesPtx);
  source.define("FLOAT_OUTPUT", b.out.view.type == DataType::kFloat32);
  source.define("FLOAT_RESIDUAL", b.residualPlace && b.residual.view.type == DataType::kFloat32);
  source.define("RESIDUAL", b.residualPlace);
  source.define("VECTORS", vectors);
  source.define("FLAT", flat);
  source.define("ACTIVATE(x, alpha, beta)", activation.text);
  if (type == DataType::kUInt8) source.options = exactDivision(device);
  // Compiling takes far longer than what tests compute.
  if (device.capabilities().emulatesPtx) source.options += " -cl-opt-disable";
  if (tile.unit != ConvUnit::kWarp && !device.capabilities().emulatesPtx)
    openWgmma(source, tile.channels, tile.math == ConvMath::kBytes);
  Launch launch;
  launch.program = device.program(source);
  launch.kernel = "convolution";
  launch.arguments = {in, Argument::memory(packed.weights), Argument::memory(packed.constants)};
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
