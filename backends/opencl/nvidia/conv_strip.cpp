#include "backends/opencl/nvidia/conv_strip.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>

#include "backends/opencl/nest.h"
#include "backends/opencl/nvidia/wgmma.h"
#include "layers/spatial.h"
#include "layerwise/error.h"

namespace layerwise::opencl {
namespace {

constexpr int kThreads = 128;           // of a warpgroup
constexpr int kBlock = 64;              // output channels of a group
constexpr std::int64_t kMostTaps = 16;  // whose weights fit a thread's registers
constexpr std::int64_t kStride = 2;     // of the windows
constexpr std::int64_t kLocalBytes = 48 * 1024;

/// The kernel's struct of the same name.
struct StripGeometry {
  cl_int height, width, channels;
  cl_int pooledHeight, pooledWidth, pooledRows;
  cl_int firstColumn, columnStep, firstPooled;
  cl_int padY, padX, poolPadY;
  cl_int cellsWidth, pictureHeight, pictureWidth;
  cl_int inRow, inPixel, inChannel;
  cl_int outRow, outPixel;
  cl_int blocks;
  cl_float alpha, beta;
  cl_int unused;
  cl_long inImage, outImage;
};

ChunkedConv cellsOf(ConvMath math, const ConvProblem& problem) {
  return {problem, {math, ConvUnit::kPatch}};
}
ChunkedConv cellsOf(const PooledConv& p) {
  return cellsOf(p.math, p.conv);
}
/// Products of 32 bytes of the depth that a tap of a cell takes.
int partsOf(ConvMath math) {
  return elementBytes(math) / 2;
}

/// How strips lie over the columns. A thread's pairs of results begin with the second column of a
/// window of 3, whose first belongs to the pair before: but for the picture's border, the first
/// pair of a strip is there for the second alone.
struct Strips {
  Strips(const PooledConv& p, int columns) {
    const bool threes = p.windowX == 3;
    step = threes ? columns - 2 : columns;
    firstColumn = threes ? (p.padX ? 0 : -1) : -p.padX;
    firstPooled = threes && p.padX == 0 ? -1 : 0;
    const std::int64_t before = threes ? 1 + firstPooled : 0;  // maxima of the first pair
    count = std::max<std::int64_t>(1, (p.width - before + step / 2 - 1) / (step / 2));
  }
  std::int64_t step, firstColumn, firstPooled, count;
};

std::int64_t blocksOf(const ConvProblem& p) {
  return (p.outChannels + kBlock - 1) / kBlock;
}

/// One below the other.
std::int64_t groupsOf(const PooledConv& p, const StripCut& cut) {
  return (p.height + cut.warpgroups * cut.rows - 1) / (cut.warpgroups * cut.rows);
}

std::int64_t localBytes(const PooledConv& p, const StripCut& cut) {
  constexpr std::int64_t kExchange = kThreads * 4;  // where it is emulated
  const ConvProblem cells = cellsOf(p).problem;
  const std::int64_t row =
      partsOf(p.math) * std::int64_t{32} * (cut.columns + cells.kernelWidth - 1);
  return cut.warpgroups * ((cells.kernelHeight + 1) * row + kExchange);
}

/// The estimated time on a device of so many multiprocessors (an H200's clock and memory).
double secondsOf(const StripCut& cut, const PooledConv& p, int multiprocessors) {
  constexpr double kClock = 1.75e9, kLaunch = 4e-6, kStartCycles = 4000, kBytesPerSecond = 3.5e12;
  const ConvProblem cells = cellsOf(p).problem;
  const int parts = partsOf(p.math);
  const double taps = static_cast<double>(parts * cells.kernelHeight * cells.kernelWidth);
  const double registers = std::min(255.0, 4 * taps + 23 + (0.75 + 0.4 * parts) * cut.columns);
  const double resident = std::floor(512 / registers / cut.warpgroups);
  // Of a row of results: what the tensor cores take, and what a warpgroup does beside that. Groups
  // of one do it at the same time.
  const double products = taps * cut.columns / 2,
               rest = 3.5 * parts * cut.columns + 100 + 200 * parts;
  const double busy = 1.2 * (cut.warpgroups > 1 ? std::max(products, (products + rest) / 2)
                                                : products + 0.25 * rest);
  const double alone = cut.warpgroups > 1 ? products + std::max(products, rest) : products + rest;
  const double rows = static_cast<double>(2 * cut.rows + p.windowY - 2);
  const double groups = static_cast<double>(Strips(p, cut.columns).count * groupsOf(p, cut) *
                                            p.conv.images * blocksOf(p.conv));
  const double cycles = std::max(std::ceil(groups / multiprocessors) * cut.warpgroups * rows * busy,
                                 std::ceil(groups / (multiprocessors * resident)) *
                                     (rows * alone + kStartCycles + 500 * cut.warpgroups));
  const double bytes = static_cast<double>(
      p.conv.images * (p.conv.inHeight * p.conv.inWidth * p.conv.inChannels * 4 +
                       p.height * p.width * p.conv.outChannels * elementBytes(p.math)));
  const double computing = cycles / kClock, moving = bytes / kBytesPerSecond;
  return kLaunch + std::max(computing, moving) + 0.35 * std::min(computing, moving);
}

}  // namespace

std::optional<PooledConv> pooledConv(ConvMath math, const Convolution& convolution,
                                     const Pooling& pooling, const Dims& input) {
  if (input.rank() != 4 || input.volume() == 0 || pooling.type != PoolingType::kMax ||
      pooling.global)
    return std::nullopt;
  const std::optional<ConvProblem> conv = convProblem(convolution, input);
  if (!conv || conv->pixels() == 0 || conv->outChannels == 0) return std::nullopt;
  const ChunkedConv chunked = cellsOf(math, *conv);
  if (!chunked.cells() || chunked.problem.kernelHeight * chunked.problem.kernelWidth > kMostTaps)
    return std::nullopt;
  const Dims between{conv->images, conv->outChannels, conv->outHeight, conv->outWidth};
  const Window3 w(resolveWindow(pooling, between), between);
  PooledConv p;
  p.math = math, p.conv = *conv;
  p.windowY = w.kernel[1], p.windowX = w.kernel[2], p.padY = w.pad[1], p.padX = w.pad[2];
  p.height = w.out[1], p.width = w.out[2];
  auto fits = [](std::int64_t window, std::int64_t pad, std::int64_t stride) {
    return (window == 2 || window == 3) && stride == kStride && pad <= 1;
  };
  if (!fits(p.windowY, p.padY, w.stride[1]) || !fits(p.windowX, p.padX, w.stride[2]) ||
      p.height == 0 || p.width == 0)
    return std::nullopt;
  return p;
}

std::string StripCut::text() const {
  return fmt::format("columns={} rows={} warpgroups={}", columns, rows, warpgroups);
}

StripCut StripCut::parse(const std::string& text) {
  StripCut cut;
  if (std::sscanf(text.c_str(), "columns=%d rows=%d warpgroups=%d", &cut.columns, &cut.rows,
                  &cut.warpgroups) != 3)
    throw Error(ErrorCode::kInternal,
                fmt::format("[convolution] parameters '{}' are not understood", text));
  return cut;
}

std::vector<std::pair<StripCut, double>> stripCuts(const PooledConv& problem, int multiprocessors,
                                                   int mostColumns) {
  std::vector<std::pair<StripCut, double>> cuts;
  for (int columns = 16; columns <= mostColumns; columns += 8)
    for (std::int64_t parts = 1, before = 0; parts <= problem.height; ++parts) {
      const std::int64_t rows = (problem.height + parts - 1) / parts;
      if (rows == before) continue;
      before = rows;
      for (int warpgroups : {1, 2}) {
        const StripCut cut{columns, toInt(rows), warpgroups};
        if (localBytes(problem, cut) <= kLocalBytes)
          cuts.emplace_back(cut, secondsOf(cut, problem, multiprocessors));
      }
    }
  std::stable_sort(cuts.begin(), cuts.end(),
                   [](const auto& a, const auto& b) { return a.second < b.second; });
  return cuts;
}

std::vector<std::pair<StripCut, double>> stripCutsToTry(const Device& device,
                                                        const PooledConv& problem) {
  // Where it is emulated, small programs, one of each kind: compiling takes far longer than what
  // tests compute.
  const bool emulated = device.capabilities().emulatesPtx;
  const std::size_t most = 12, mostPrograms = emulated ? 2 : 5;
  auto cuts = stripCuts(problem, static_cast<int>(device.info().computeUnits),
                        emulated ? 24 : kMostColumns);
  std::set<std::pair<int, int>> programs;
  std::erase_if(cuts, [&](const auto& cut) {
    const std::pair program{emulated ? 0 : cut.first.columns, cut.first.warpgroups};
    const bool isNew = !programs.contains(program);
    if (isNew && programs.size() < mostPrograms) programs.insert(program);
    return emulated ? !isNew : !programs.contains(program);
  });
  if (cuts.size() > most) cuts.resize(most);
  return cuts;
}

std::shared_ptr<const PackedConv> uploadStripConv(const Device& device, ConvMath math,
                                                  const ConvProblem& problem,
                                                  const std::vector<float>& weights,
                                                  const std::vector<float>& bias) {
  const ChunkedConv chunked = cellsOf(math, problem);
  const std::int64_t taps = chunked.problem.kernelHeight * chunked.problem.kernelWidth;
  const auto blocks = static_cast<std::size_t>(blocksOf(problem));
  // Of each block of channels, tap, product and thread the 16 bytes that the instruction wants: of
  // channels 2n and 2n + 1 of the warp's 16 by turns, what lies in a word of the depth and in the
  // word that is 16 bytes beyond.
  const std::int64_t parts = partsOf(math), inWord = 4 / elementBytes(math), inPart = 8 * inWord;
  std::vector<float> packed(blocks * static_cast<std::size_t>(taps * parts * kThreads * 4 * inWord),
                            0);
  const float* from = weights.data();
  for (std::int64_t o = 0; o < problem.outChannels; ++o)
    for (std::int64_t c = 0; c < problem.inChannels; ++c)
      for (std::int64_t y = 0; y < problem.kernelHeight; ++y)
        for (std::int64_t x = 0; x < problem.kernelWidth; ++x) {
          const std::int64_t tapY = y + chunked.shiftY, tapX = x + chunked.shiftX;
          const std::int64_t tap = tapY / 2 * chunked.problem.kernelWidth + tapX / 2;
          const std::int64_t depth = (tapY % 2 * 2 + tapX % 2) * chunked.channels + c;
          const std::int64_t part = depth / inPart, word = depth % inPart / inWord;
          const std::int64_t warp = o % kBlock / 16, pair = o % 16 / 2;
          const std::int64_t thread = warp * 32 + pair * 4 + word % 4;
          const std::int64_t at = ((o / kBlock * taps + tap) * parts + part) * kThreads + thread;
          packed[static_cast<std::size_t>((at * 4 + word / 4 * 2 + o % 2) * inWord +
                                          depth % inWord)] = *from++;
        }
  std::vector<float> padded(blocks * kBlock, 0);
  std::copy(bias.begin(), bias.end(), padded.begin());
  auto result = std::make_shared<PackedConv>();
  result->weights = uploadWeights(device, math, std::move(packed));
  result->constants = device.upload(padded, "a bias");
  return result;
}

std::unique_ptr<Step> bindStripConv(const Device& device, const StripBinding& b,
                                    const PackedConv& packed) {
  const PooledConv& p = b.problem;
  const ConvProblem cells = cellsOf(p).problem;
  const Strips strips(p, b.cut.columns);
  const bool relu = b.activation && b.activation->type == ActivationType::kRelu;
  const ActivationText activation = activationText(b.activation, p.math == ConvMath::kHalf);
  StripGeometry g{};
  g.height = toInt(p.conv.outHeight), g.width = toInt(p.conv.outWidth);
  g.channels = toInt(p.conv.outChannels), g.blocks = toInt(blocksOf(p.conv));
  g.pooledHeight = toInt(p.height), g.pooledWidth = toInt(p.width), g.pooledRows = b.cut.rows;
  g.firstColumn = toInt(strips.firstColumn), g.columnStep = toInt(strips.step);
  g.firstPooled = toInt(strips.firstPooled);
  g.padY = toInt(cells.padY), g.padX = toInt(cells.padX), g.poolPadY = toInt(p.padY);
  g.cellsWidth = toInt(cells.inWidth);
  g.pictureHeight = toInt(p.conv.inHeight), g.pictureWidth = toInt(p.conv.inWidth);
  g.inRow = toInt(b.in.row), g.inPixel = toInt(b.in.pixel), g.inChannel = toInt(b.in.channel);
  g.outRow = toInt(b.out.row), g.outPixel = toInt(b.out.pixel);
  g.alpha = activation.alpha, g.beta = activation.beta;
  g.inImage = b.in.image, g.outImage = b.out.image;

  ProgramSource source{.file = "nvidia/conv_strip.cl"};
  source.define("TYPE", static_cast<int>(p.math));
  source.define("WGMMA", 1);
  source.define("EMULATED", device.capabilities().emulatesPtx);
  source.define("BN", b.cut.columns);
  source.define("WARPGROUPS", b.cut.warpgroups);
  source.define("KERNEL_Y", cells.kernelHeight);
  source.define("KERNEL_X", cells.kernelWidth);
  source.define("POOL_Y", p.windowY);
  source.define("POOL_X", p.windowX);
  source.define("PICTURE", p.conv.inChannels);
  source.define("IN_BITS", 8 * static_cast<int>(sizeOf(b.in.view.type)));
  source.define("PAIRS", holdsPairs(b.in) && p.conv.inWidth % 2 == 0);
  source.define("PAIRED",
                p.conv.outChannels % 2 == 0 && isAligned(b.out, 2 * elementBytes(p.math)));
  source.define("RELU", relu);
  source.define("ACTIVATE(x, alpha, beta)", activation.text);
  if (device.capabilities().emulatesPtx)
    source.options = " -cl-opt-disable";
  else
    openWgmma(source, b.cut.columns, false, 4);
  Launch launch;
  launch.program = device.program(source);
  launch.kernel = "convolution";
  launch.arguments = {Argument::view(b.in.view), Argument::memory(packed.weights),
                      Argument::memory(packed.constants), Argument::view(b.out.view),
                      Argument::value(g)};
  launch.local = {static_cast<std::size_t>(b.cut.warpgroups * kThreads), 1, 1};
  launch.global = {launch.local[0] * static_cast<std::size_t>(strips.count),
                   static_cast<std::size_t>(groupsOf(p, b.cut)),
                   static_cast<std::size_t>(p.conv.images * g.blocks)};
  return std::make_unique<ClStep>(std::vector<Launch>{std::move(launch)});
}

}  // namespace layerwise::opencl
