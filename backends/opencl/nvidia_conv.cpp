#include "backends/opencl/nvidia_conv.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "layerwise/error.h"

namespace layerwise::opencl {
namespace {

constexpr int kMostDepthBytes = 128;  // of any tile
constexpr std::int64_t kLocalBytes = 48 * 1024;

std::vector<ConvTile> makeWarpgroupTiles(ConvMath math) {
  std::vector<ConvTile> tiles;
  auto add = [&](int pixels, int channels, int depthBytes, int stages, int flight) {
    tiles.push_back(
        {math, pixels, channels, 16, channels, depthBytes, stages, ConvUnit::kWarpgroup, flight});
  };
  add(128, 128, 64, 3, 0), add(128, 128, 64, 3, 1);
  add(128, 64, 64, 4, 0), add(128, 64, 64, 4, 1), add(128, 64, 128, 2, 0);
  add(64, 128, 64, 4, 0), add(64, 128, 64, 4, 1), add(64, 128, 128, 2, 0);
  add(64, 64, 64, 4, 1), add(64, 64, 128, 3, 0), add(64, 64, 128, 2, 0);
  add(128, 128, 64, 2, 0), add(64, 128, 64, 2, 0), add(128, 64, 64, 2, 0);
  add(256, 64, 64, 2, 0), add(64, 256, 64, 2, 0);
  add(64, 32, 128, 4, 1), add(128, 32, 64, 4, 1);
  return tiles;
}

std::vector<ConvTile> makePatchTiles(ConvMath math) {
  std::vector<ConvTile> tiles;
  for (auto [pixels, channels, stages] : {std::array{128, 128, 3},
                                          {128, 128, 2},
                                          {128, 64, 4},
                                          {128, 64, 3},
                                          {64, 128, 3},
                                          {64, 64, 4},
                                          {256, 64, 3},
                                          {256, 64, 2},
                                          {256, 128, 2},
                                          {128, 32, 4},
                                          {64, 32, 6}})
    tiles.push_back({math, pixels, channels, 16, channels, 64, stages, ConvUnit::kPatch, 1});
  return tiles;
}

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
  return fmt::format("tile={}x{}x{} warp={}x{} stages={} flight={}", pixels, channels, depthBytes,
                     warpPixels, warpChannels, stages, flight);
}

std::vector<std::pair<std::string, std::string>> ConvTile::defines() const {
  std::vector<std::pair<std::string, std::string>> all = {
      {"TYPE", std::to_string(static_cast<int>(math))},
      {"BM", std::to_string(pixels)},
      {"BN", std::to_string(channels)},
      {"STAGES", std::to_string(stages)},
      {"WGMMA", unit == ConvUnit::kWarp ? "0" : "1"}};
  if (unit != ConvUnit::kPatch) {
    all.emplace_back("WM", std::to_string(warpPixels));
    all.emplace_back("WN", std::to_string(warpChannels));
    all.emplace_back("BK_BYTES", std::to_string(depthBytes));
    all.emplace_back("FLIGHT", std::to_string(flight));
  }
  return all;
}

const std::vector<ConvTile>& convTiles(const ConvFamily& family) {
  static const std::vector<ConvTile> half = makeTiles(ConvMath::kHalf),
                                     tf32 = makeTiles(ConvMath::kTf32),
                                     single = makeTiles(ConvMath::kFloat),
                                     groupHalf = makeWarpgroupTiles(ConvMath::kHalf),
                                     groupTf32 = makeWarpgroupTiles(ConvMath::kTf32),
                                     patchHalf = makePatchTiles(ConvMath::kHalf),
                                     patchTf32 = makePatchTiles(ConvMath::kTf32);
  const ConvMath math = family.math;
  if (family.unit == ConvUnit::kPatch) return math == ConvMath::kHalf ? patchHalf : patchTf32;
  if (family.unit == ConvUnit::kWarpgroup) return math == ConvMath::kHalf ? groupHalf : groupTf32;
  return math == ConvMath::kHalf ? half : math == ConvMath::kTf32 ? tf32 : single;
}

bool suitsPatches(const ConvProblem& p, ConvMath math) {
  return p.strideY == 1 && p.strideX == 1 && p.outHeight == p.inHeight && p.outWidth == p.inWidth &&
         !p.pointwise() && p.fixedPadding && p.inChannels % (math == ConvMath::kHalf ? 8 : 4) == 0;
}

std::int64_t convBlocks(const ConvProblem& p, ConvMath math) {
  const std::int64_t block = math == ConvMath::kHalf ? 32 : 16;
  return (p.inChannels + block - 1) / block;
}

ConvPatch::ConvPatch(const ConvProblem& p, const ConvTile& tile) {
  const std::int64_t reachY = (p.kernelHeight - 1) * p.dilationY,
                     reachX = (p.kernelWidth - 1) * p.dilationX;
  linePositions = p.inWidth + std::max(p.padX, reachX - p.padX);
  imageLines = p.inHeight + std::max(p.padY, reachY - p.padY);
  positions = ((p.images - 1) * imageLines + p.inHeight) * linePositions;
  rows = tile.pixels + reachY * linePositions + reachX;
  // Neighbouring chunks of a position in other banks.
  planeBytes = ((rows + 1) / 4 * 4 + 2) * 16;
  localBytes = tile.stages * (tile.channels * tile.depthBytes + 16) + 2 * 4 * planeBytes;
  localBytes = (localBytes + 4095) / 4096 * 4096;  // few forms
  passes = (rows * 4 + tile.threads() - 1) / tile.threads();
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

std::vector<float> packConvWeights(const ConvProblem& original, const ConvFamily& family,
                                   const float* weights) {
  const ConvMath math = family.math;
  ChunkedConv chunked(original, math);
  const ConvProblem& p = chunked.problem;
  const bool patches = family.unit == ConvUnit::kPatch;
  const std::int64_t row = convWeightRow(p.depth(), math), rows = convWeightRows(p.outChannels);
  const std::int64_t taps = p.kernelHeight * p.kernelWidth;
  // Over patches: blocks of channels, taps, output channels, the block's 64 bytes as they lie in
  // local memory.
  const std::int64_t chunk = math == ConvMath::kHalf ? 8 : 4, block = 4 * chunk;
  std::vector<float> packed(
      static_cast<std::size_t>(patches ? convBlocks(p, math) * taps * rows * block : row * rows),
      0);
  const float* from = weights;
  for (int o = 0; o < original.outChannels; ++o)
    for (std::int64_t c = 0; c < original.inChannels; ++c)
      for (std::int64_t y = 0; y < original.kernelHeight; ++y)
        for (std::int64_t x = 0; x < original.kernelWidth; ++x) {
          std::int64_t column = chunked.paired ? x + chunked.extra : x;
          std::int64_t tap = y * p.kernelWidth + (chunked.paired ? column / 2 : column);
          std::int64_t channel = chunked.paired ? column % 2 * 4 + c : c;
          const std::int64_t place = convWeightPlace(math, o);
          std::int64_t at = place * row + tap * p.inChannels + channel;
          if (patches)
            at = ((channel / block * taps + tap) * rows + place) * block +
                 (channel % block / chunk ^ (place >> 1 & 3)) * chunk + channel % chunk;
          packed[static_cast<std::size_t>(at)] = *from++;
        }
  return packed;
}

std::string ConvCut::text() const {
  return fmt::format("{} splits={}", tile.name(), splits);
}

ConvCut ConvCut::parse(const ConvFamily& family, const std::string& text) {
  ConvCut cut;
  ConvTile& t = cut.tile;
  t.math = family.math, t.unit = family.unit;
  if (std::sscanf(text.c_str(), "tile=%dx%dx%d warp=%dx%d stages=%d flight=%d splits=%d", &t.pixels,
                  &t.channels, &t.depthBytes, &t.warpPixels, &t.warpChannels, &t.stages, &t.flight,
                  &cut.splits) != 8)
    throw Error(ErrorCode::kInternal,
                fmt::format("[convolution] parameters '{}' are not understood", text));
  return cut;
}

std::int64_t convSteps(const ConvTile& tile, const ConvProblem& problem) {
  if (tile.unit == ConvUnit::kPatch) return convBlocks(problem, tile.math);
  const std::int64_t each = tile.depthBytes / tile.elementBytes();
  return (problem.depth() + each - 1) / each;
}

int convStepsPerSplit(const ConvCut& cut, const ConvProblem& problem) {
  return static_cast<int>((convSteps(cut.tile, problem) + cut.splits - 1) / cut.splits);
}

std::int64_t convTileCount(const ConvTile& tile, const ConvProblem& problem) {
  const std::int64_t pixels =
      tile.unit == ConvUnit::kPatch ? ConvPatch(problem, tile).positions : problem.pixels();
  return (pixels + tile.pixels - 1) / tile.pixels *
         ((problem.outChannels + tile.channels - 1) / tile.channels);
}

double convSeconds(const ConvCut& cut, const ConvProblem& p, int multiprocessors) {
  const ConvTile& t = cut.tile;
  constexpr double kClock = 1.7e9, kLaunch = 4e-6, kBytesPerSecond = 2.8e12;
  // One step of one tile, in cycles of a multiprocessor: arithmetic, and local memory.
  const double elements = static_cast<double>(t.depthBytes) / t.elementBytes();
  const bool together = t.unit != ConvUnit::kWarp;
  const double flopsPerCycle = t.math == ConvMath::kFloat
                                   ? 230
                                   : (t.math == ConvMath::kHalf ? 2 : 1) * (together ? 1900 : 1200);
  const double arithmetic = 2.0 * t.pixels * t.channels * elements / flopsPerCycle;
  const double warps = t.threads() / 32.0;
  const double reads = together ? warps / 4 * (4 * t.warpPixels + t.warpChannels)
                                : warps * (t.warpPixels + t.warpChannels);
  // A patch comes once for all taps.
  const bool patches = t.unit == ConvUnit::kPatch;
  const double copies = t.channels + (patches ? 0.3 : 1) * t.pixels;
  const double local =
      (reads + copies) * t.depthBytes / 128.0 * (t.math == ConvMath::kFloat ? 2 : 1);
  double busy = std::max(arithmetic, local) + 0.3 * std::min(arithmetic, local);
  // A tap takes a warp some 90 instructions.
  if (patches) busy += 90 * warps / 4;
  // Alone on its multiprocessor, a group waits for its copies; beside others it need not.
  const double alone = std::max(busy, patches ? 450 : 260 + 40.0 * t.depthBytes / 32);
  const double sums = t.warpPixels * t.warpChannels / 32.0;
  const double registers = (t.math == ConvMath::kFloat ? 100 : together ? 50 : 70) + 1.2 * sums;
  const double localBytes = static_cast<double>(
      patches ? ConvPatch(p, t).localBytes : t.stages * (t.pixels + t.channels) * t.depthBytes);
  const double resident = std::max(1.0, std::floor(std::min(227 * 1024 / (localBytes + 1024),
                                                            65536 / (registers * t.threads()))));
  const int steps =
      convStepsPerSplit(cut, p) * static_cast<int>(patches ? p.kernelHeight * p.kernelWidth : 1);
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

std::vector<std::pair<ConvCut, double>> convCuts(const ConvFamily& family,
                                                 const ConvProblem& problem, int multiprocessors) {
  std::vector<std::pair<ConvCut, double>> cuts;
  const bool patches = family.unit == ConvUnit::kPatch;
  if (patches && !suitsPatches(problem, family.math)) return cuts;
  const int leastSteps = patches ? 1 : 2;
  for (const ConvTile& tile : convTiles(family)) {
    if (patches && ConvPatch(problem, tile).localBytes > kLocalBytes) continue;
    const std::int64_t tiles = convTileCount(tile, problem);
    for (int splits : {1, 2, 3, 4, 6, 8, 12, 16}) {
      ConvCut cut{tile, splits};
      if (splits > 1 &&
          (convStepsPerSplit(cut, problem) < leastSteps || tiles * splits > 4 * multiprocessors))
        break;
      cuts.emplace_back(cut, convSeconds(cut, problem, multiprocessors));
    }
  }
  std::stable_sort(cuts.begin(), cuts.end(),
                   [](const auto& a, const auto& b) { return a.second < b.second; });
  return cuts;
}

}  // namespace layerwise::opencl
