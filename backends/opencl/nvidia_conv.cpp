#include "backends/opencl/nvidia_conv.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "layerwise/error.h"

namespace layerwise::opencl {
namespace {

constexpr int kMostDepthBytes = 128;  // of any tile

std::vector<ConvTile> makeTiles(ConvMath math) {
  if (math == ConvMath::kFloat)
    return {{math, 128, 128, 64, 32, 64, 3}, {math, 128, 64, 64, 32, 64, 4},
            {math, 64, 128, 64, 32, 64, 4},  {math, 128, 64, 32, 32, 64, 4},
            {math, 64, 64, 32, 32, 64, 4},   {math, 64, 64, 64, 32, 64, 6},
            {math, 64, 32, 32, 32, 64, 6},   {math, 32, 64, 32, 32, 64, 6},
            {math, 32, 32, 32, 32, 128, 4},  {math, 32, 64, 16, 32, 64, 6},
            {math, 128, 32, 32, 32, 64, 4}};
  std::vector<ConvTile> tiles = {{math, 128, 128, 64, 64, 64, 3}, {math, 128, 128, 64, 32, 64, 3},
                                 {math, 128, 64, 64, 32, 64, 4},  {math, 128, 64, 32, 32, 64, 4},
                                 {math, 64, 128, 32, 64, 64, 4},  {math, 64, 64, 32, 32, 64, 6},
                                 {math, 64, 64, 32, 32, 128, 3},  {math, 64, 32, 16, 32, 128, 4},
                                 {math, 32, 64, 16, 32, 128, 4},  {math, 32, 32, 16, 32, 128, 6},
                                 {math, 128, 32, 32, 32, 64, 4},  {math, 256, 64, 64, 32, 64, 2},
                                 {math, 16, 64, 16, 32, 128, 4},  {math, 256, 32, 32, 32, 64, 2},
                                 {math, 128, 128, 64, 32, 64, 2}, {math, 128, 64, 32, 32, 64, 2},
                                 {math, 64, 64, 32, 32, 64, 2},   {math, 64, 128, 32, 64, 64, 2}};
  return tiles;
}

}  // namespace

std::string ConvTile::name() const {
  return fmt::format("tile={}x{}x{} warp={}x{} stages={}", pixels, channels, depthBytes, warpPixels,
                     warpChannels, stages);
}

std::vector<std::pair<std::string, std::string>> ConvTile::defines() const {
  return {{"TYPE", std::to_string(static_cast<int>(math))},
          {"BM", std::to_string(pixels)},
          {"BN", std::to_string(channels)},
          {"WM", std::to_string(warpPixels)},
          {"WN", std::to_string(warpChannels)},
          {"BK_BYTES", std::to_string(depthBytes)},
          {"STAGES", std::to_string(stages)}};
}

const std::vector<ConvTile>& convTiles(ConvMath math) {
  static const std::vector<ConvTile> half = makeTiles(ConvMath::kHalf),
                                     tf32 = makeTiles(ConvMath::kTf32),
                                     single = makeTiles(ConvMath::kFloat);
  return math == ConvMath::kHalf ? half : math == ConvMath::kTf32 ? tf32 : single;
}

ChunkedConv::ChunkedConv(const ConvProblem& original, ConvMath math) : problem(original) {
  const int chunk = math == ConvMath::kHalf ? 8 : 4;
  paired = math == ConvMath::kHalf && original.inChannels <= 4 && original.strideX == 2 &&
           original.dilationX == 1 && original.fixedPadding;
  if (!paired) {
    channels = problem.inChannels = (original.inChannels + chunk - 1) / chunk * chunk;
    asGiven = channels == original.inChannels;
    return;
  }
  channels = 4;
  extra = static_cast<int>(original.padX % 2);
  problem.inChannels = 8;
  problem.inWidth = (original.inWidth + 1) / 2;
  problem.kernelWidth = (original.kernelWidth + extra + 1) / 2;
  problem.strideX = 1;
  problem.padX = (original.padX + extra) / 2;
}

int convWeightRows(std::int64_t channels) {
  return static_cast<int>((channels + 31) / 32 * 32);
}

int convWeightRow(std::int64_t depth, ConvMath math) {
  int whole = kMostDepthBytes / (math == ConvMath::kHalf ? 2 : 4);
  return static_cast<int>((depth + whole - 1) / whole * whole);
}

int convWeightPlace(ConvMath math, int channel) {
  int group = channel / 32 * 32, c = channel % 32;
  int owner = c / 8, own = c % 8;  // the thread of four, and which of its eight
  if (math == ConvMath::kFloat) return group + own * 4 + owner;
  return group + own / 2 * 8 + owner * 2 + own % 2;
}

std::vector<float> packConvWeights(const ConvProblem& original, ConvMath math,
                                   const float* weights) {
  ChunkedConv chunked(original, math);
  const ConvProblem& p = chunked.problem;
  const std::int64_t row = convWeightRow(p.depth(), math);
  std::vector<float> packed(static_cast<std::size_t>(row * convWeightRows(p.outChannels)), 0);
  const float* from = weights;
  for (int o = 0; o < original.outChannels; ++o)
    for (std::int64_t c = 0; c < original.inChannels; ++c)
      for (std::int64_t y = 0; y < original.kernelHeight; ++y)
        for (std::int64_t x = 0; x < original.kernelWidth; ++x) {
          std::int64_t column = chunked.paired ? x + chunked.extra : x;
          std::int64_t tap = y * p.kernelWidth + (chunked.paired ? column / 2 : column);
          std::int64_t channel = chunked.paired ? column % 2 * 4 + c : c;
          std::int64_t at = convWeightPlace(math, o) * row + tap * p.inChannels + channel;
          packed[static_cast<std::size_t>(at)] = *from++;
        }
  return packed;
}

std::string ConvCut::text() const {
  return fmt::format("{} splits={}", tile.name(), splits);
}

ConvCut ConvCut::parse(ConvMath math, const std::string& text) {
  ConvCut cut;
  ConvTile& t = cut.tile;
  t.math = math;
  if (std::sscanf(text.c_str(), "tile=%dx%dx%d warp=%dx%d stages=%d splits=%d", &t.pixels,
                  &t.channels, &t.depthBytes, &t.warpPixels, &t.warpChannels, &t.stages,
                  &cut.splits) != 7)
    throw Error(ErrorCode::kInternal,
                fmt::format("[convolution] parameters '{}' are not understood", text));
  return cut;
}

int convStepsPerSplit(const ConvCut& cut, std::int64_t depth) {
  std::int64_t each = cut.tile.depthBytes / cut.tile.elementBytes();
  std::int64_t steps = (depth + each - 1) / each;
  return static_cast<int>((steps + cut.splits - 1) / cut.splits);
}

std::int64_t convTileCount(const ConvTile& tile, const ConvProblem& problem) {
  return (problem.pixels() + tile.pixels - 1) / tile.pixels *
         ((problem.outChannels + tile.channels - 1) / tile.channels);
}

double convSeconds(const ConvCut& cut, const ConvProblem& p, int multiprocessors) {
  const ConvTile& t = cut.tile;
  constexpr double kClock = 1.7e9, kLaunch = 4e-6, kBytesPerSecond = 2.8e12;
  // One step of one tile, in cycles of a multiprocessor: arithmetic, and local memory.
  const double elements = static_cast<double>(t.depthBytes) / t.elementBytes();
  const double flopsPerCycle = t.math == ConvMath::kHalf   ? 2400
                               : t.math == ConvMath::kTf32 ? 1200
                                                           : 230;
  const double arithmetic = 2.0 * t.pixels * t.channels * elements / flopsPerCycle;
  const double warps = t.threads() / 32.0;
  const double local = (warps * (t.warpPixels + t.warpChannels) + t.pixels + t.channels) *
                       t.depthBytes / 128.0 * (t.math == ConvMath::kFloat ? 2 : 1);
  const double busy = std::max(arithmetic, local) + 0.3 * std::min(arithmetic, local);
  // Alone on its multiprocessor, a group waits for its copies; beside others it need not.
  const double alone = std::max(busy, 260 + 40.0 * t.depthBytes / 32);
  const double sums = t.warpPixels * t.warpChannels / 32.0;
  const double registers = (t.math == ConvMath::kFloat ? 100 : 70) + 1.2 * sums;
  const double localBytes = static_cast<double>(t.stages * (t.pixels + t.channels) * t.depthBytes);
  const double resident = std::max(1.0, std::floor(std::min(227 * 1024 / (localBytes + 1024),
                                                            65536 / (registers * t.threads()))));
  const int steps = convStepsPerSplit(cut, p.depth());
  const double groups = static_cast<double>(convTileCount(t, p)) * cut.splits;
  const double store = t.pixels * t.channels / 24.0, latency = 1800 + 150 * t.stages;
  double cycles = std::max(
      std::ceil(groups / multiprocessors) * (steps * busy + store),
      std::ceil(groups / (multiprocessors * resident)) * (steps * alone + store + latency));
  if (cut.splits > 1) cycles += 1500 + cut.splits * t.pixels * t.channels / 20.0;
  const double bytes = t.elementBytes() * (static_cast<double>(p.images * p.inHeight * p.inWidth) *
                                               static_cast<double>(p.inChannels) +
                                           static_cast<double>(p.pixels() * p.outChannels) +
                                           static_cast<double>(p.depth() * p.outChannels));
  const double computing = cycles / kClock, moving = bytes / kBytesPerSecond;
  return kLaunch + std::max(computing, moving) + 0.3 * std::min(computing, moving);
}

std::vector<std::pair<ConvCut, double>> convCuts(ConvMath math, const ConvProblem& problem,
                                                 int multiprocessors) {
  std::vector<std::pair<ConvCut, double>> cuts;
  for (const ConvTile& tile : convTiles(math)) {
    const std::int64_t tiles = convTileCount(tile, problem);
    for (int splits : {1, 2, 3, 4, 6, 8, 12, 16}) {
      ConvCut cut{tile, splits};
      if (splits > 1 &&
          (convStepsPerSplit(cut, problem.depth()) < 2 || tiles * splits > 4 * multiprocessors))
        break;
      cuts.emplace_back(cut, convSeconds(cut, problem, multiprocessors));
    }
  }
  std::stable_sort(cuts.begin(), cuts.end(),
                   [](const auto& a, const auto& b) { return a.second < b.second; });
  return cuts;
}

}  // namespace layerwise::opencl
