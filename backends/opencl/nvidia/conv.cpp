#include "backends/opencl/nvidia/conv.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdio>

#include "layerwise/error.h"

namespace layerwise::opencl {
namespace {

constexpr int kMostDepthBytes = 128;  // of any tile

/// An entry of each kind of arithmetic.
template <class Make>
const std::vector<ConvTile>& tilesOf(ConvMath math, Make make) {
  static const std::array<std::vector<ConvTile>, 5> all = {
      make(ConvMath::kBytes), make(ConvMath::kHalf), make(ConvMath::kTf32), make(ConvMath::kTf32x3),
      make(ConvMath::kFloat)};
  switch (math) {
    case ConvMath::kBytes:
      return all[0];
    case ConvMath::kHalf:
      return all[1];
    case ConvMath::kTf32:
      return all[2];
    case ConvMath::kTf32x3:
      return all[3];
    case ConvMath::kFloat:
      break;
  }
  return all[4];
}

std::vector<ConvTile> makeWarpgroupTiles(ConvMath math) {
  std::vector<ConvTile> tiles;
  auto add = [&](int pixels, int channels, int depthBytes, int stages, int flight) {
    tiles.push_back(
        {math, pixels, channels, 16, channels, depthBytes, stages, ConvUnit::kWarpgroup, flight});
  };
  if (math == ConvMath::kTf32x3) {
    add(128, 64, 64, 2, 0), add(64, 128, 64, 2, 0), add(64, 64, 64, 3, 0), add(64, 64, 64, 2, 0);
    add(128, 32, 64, 2, 0), add(64, 32, 128, 2, 0), add(64, 32, 64, 4, 0);
    return tiles;
  }
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
  // Pixels, channels, bytes of a block, stages.
  using Sizes = std::vector<std::array<int, 4>>;
  const Sizes sizes =
      math == ConvMath::kTf32x3
          ? Sizes{{128, 64, 32, 2}, {64, 64, 32, 3}, {64, 64, 32, 2},  {128, 32, 32, 3},
                  {128, 32, 32, 2}, {64, 32, 32, 3}, {256, 32, 32, 2}, {64, 128, 32, 2}}
          : Sizes{{128, 64, 64, 2},  {64, 64, 64, 2},  {128, 128, 32, 3}, {128, 128, 32, 2},
                  {256, 128, 32, 2}, {256, 64, 32, 3}, {128, 64, 32, 4},  {128, 64, 32, 2},
                  {64, 128, 32, 3},  {64, 64, 32, 3},  {64, 32, 64, 3},   {128, 32, 64, 3},
                  {256, 64, 32, 2},  {256, 32, 32, 3}, {128, 32, 32, 3}};
  std::vector<ConvTile> tiles;
  for (const auto& [pixels, channels, blockBytes, stages] : sizes)
    tiles.push_back(
        {math, pixels, channels, 16, channels, blockBytes, stages, ConvUnit::kPatch, 1});
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
  if (math == ConvMath::kTf32x3)
    return {{math, 128, 64, 64, 32, 64, 3}, {math, 128, 64, 32, 32, 64, 2},
            {math, 64, 128, 32, 64, 64, 2}, {math, 64, 64, 32, 32, 64, 4},
            {math, 64, 64, 32, 32, 64, 2},  {math, 64, 32, 16, 32, 64, 4},
            {math, 32, 64, 16, 32, 64, 4},  {math, 32, 32, 16, 32, 128, 4},
            {math, 128, 32, 32, 32, 64, 3}, {math, 128, 128, 64, 32, 64, 2},
            {math, 256, 64, 64, 32, 64, 2}};
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

int elementBytes(ConvMath math) {
  return math == ConvMath::kBytes ? 1 : math == ConvMath::kHalf ? 2 : 4;
}

int partsOfWeights(ConvMath math) {
  return math == ConvMath::kTf32x3 ? 2 : 1;
}

int chunkOf(ConvMath math) {
  return 16 / elementBytes(math);
}

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
  if (unit == ConvUnit::kPatch) {
    all.emplace_back("BLOCK_BYTES", std::to_string(depthBytes));
  } else {
    all.emplace_back("WM", std::to_string(warpPixels));
    all.emplace_back("WN", std::to_string(warpChannels));
    all.emplace_back("BK_BYTES", std::to_string(depthBytes));
    all.emplace_back("FLIGHT", std::to_string(flight));
  }
  return all;
}

const std::vector<ConvTile>& convTiles(const ConvFamily& family) {
  // Lambdas, as each has a table of its own.
  switch (family.unit) {
    case ConvUnit::kPatch:
      return tilesOf(family.math, [](ConvMath math) { return makePatchTiles(math); });
    case ConvUnit::kWarpgroup:
      return tilesOf(family.math, [](ConvMath math) { return makeWarpgroupTiles(math); });
    case ConvUnit::kWarp:
      break;
  }
  return tilesOf(family.math, [](ConvMath math) { return makeTiles(math); });
}

bool suitsPatches(const ConvProblem& p, ConvMath math) {
  return p.strideY == 1 && p.strideX == 1 && p.dilationY == 1 && p.dilationX == 1 &&
         p.outHeight == p.inHeight && p.outWidth == p.inWidth && !p.pointwise() &&
         p.inChannels % chunkOf(math) == 0;
}

ConvPatch::ConvPatch(const ConvProblem& p, const ConvTile& tile) {
  const std::int64_t reachY = p.kernelHeight - 1, reachX = p.kernelWidth - 1;
  const std::int64_t chunks = tile.depthBytes / 16;
  const int patches = convSteps(tile, p) > 1 ? 2 : 1;
  linePositions = p.inWidth + std::max(p.padX, reachX - p.padX);
  imageLines = p.inHeight + std::max(p.padY, reachY - p.padY);
  positions = ((p.images - 1) * imageLines + p.inHeight) * linePositions;
  // What lies between the rows that a few outputs reach is left out.
  patchLine = std::min(linePositions, tile.pixels + reachX);
  rows = tile.pixels + reachY * patchLine + reachX;
  // Neighbouring chunks of a position in other banks.
  planeBytes = ((rows + 1) / 4 * 4 + 2) * 16;
  const int parts = partsOfWeights(tile.math);
  localBytes = tile.stages * (parts * tile.channels * tile.depthBytes * p.kernelWidth + 16) +
               (patches + parts - 1) * chunks * planeBytes;
  localBytes = (localBytes + 4095) / 4096 * 4096;  // few forms
  // Whatever bytes lie where weights are 0, sums of products are the same; others might be no
  // numbers.
  const auto filled = static_cast<std::uint64_t>(p.inChannels * elementBytes(tile.math) / 16);
  copiedChunks = chunks;
  if (tile.math == ConvMath::kBytes && std::has_single_bit(filled))
    copiedChunks = std::min(chunks, static_cast<std::int64_t>(filled));
  passes = (rows * copiedChunks + tile.threads() - 1) / tile.threads();
}

ChunkedConv::ChunkedConv(const ConvProblem& original, const ConvFamily& family)
    : problem(original) {
  const int chunk = chunkOf(family.math);
  channels = original.inChannels <= 4 ? 4 : 8;
  if (family.unit == ConvUnit::kPatch && channels == 4 && original.fixedPadding &&
      original.strideY == 2 && original.strideX == 2 && original.dilationY == 1 &&
      original.dilationX == 1) {
    lines = pixels = 2;
    shiftY = static_cast<int>(original.padY % 2), shiftX = static_cast<int>(original.padX % 2);
    problem.inChannels = channels * lines * pixels;
    problem.strideY = problem.strideX = 1;
    problem.kernelHeight = (original.kernelHeight + shiftY + 1) / 2;
    problem.kernelWidth = (original.kernelWidth + shiftX + 1) / 2;
    problem.padY = (original.padY + shiftY) / 2, problem.padX = (original.padX + shiftX) / 2;
    problem.inHeight = (original.inHeight + 1) / 2, problem.inWidth = (original.inWidth + 1) / 2;
    return;
  }
  if (original.strideX == 2 && original.dilationX == 1 && original.inChannels <= channels)
    pixels = std::max(1, chunk / static_cast<int>(channels));
  if (pixels == 1) {
    channels = problem.inChannels = (original.inChannels + chunk - 1) / chunk * chunk;
    asGiven = channels == original.inChannels;
    return;
  }
  problem.inChannels = chunk;
  problem.kernelWidth = (original.kernelWidth + pixels - 1) / pixels;
  problem.strideX = 1, problem.dilationX = pixels / 2;
  problem.padX = 0;
  problem.inWidth = problem.outWidth + (problem.kernelWidth - 1) * problem.dilationX;
}

int convWeightRows(std::int64_t channels) {
  return static_cast<int>((channels + 31) / 32 * 32);
}

int convWeightRow(std::int64_t depth, ConvMath math) {
  int whole = kMostDepthBytes / elementBytes(math);
  return static_cast<int>((depth + whole - 1) / whole * whole);
}

int convWeightPlace(ConvMath math, int channel) {
  const int group = channel / 32 * 32, c = channel % 32;
  // The thread of four, and which of its eight.
  const bool fours = elementBytes(math) == 4;
  const int owner = fours ? c % 16 / 4 : c / 8, own = fours ? c / 16 * 4 + c % 4 : c % 8;
  if (math == ConvMath::kFloat) return group + own * 4 + owner;
  return group + own / 2 * 8 + owner * 2 + own % 2;
}

float toTf32(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7f800000u) == 0x7f800000u) return value;
  return std::bit_cast<float>((bits + 0x1000u) & ~0x1fffu);
}

std::vector<float> packConvWeights(const ConvProblem& original, const ConvTile& tile,
                                   const float* weights) {
  const ConvMath math = tile.math;
  const ChunkedConv chunked(original, {math, tile.unit});
  const ConvProblem& p = chunked.problem;
  const bool patches = tile.unit == ConvUnit::kPatch;
  const std::int64_t row = convWeightRow(p.depth(), math), rows = convWeightRows(p.outChannels);
  const std::int64_t chunk = chunkOf(math), chunks = tile.depthBytes / 16;
  // Over patches: blocks of channels, rows of the kernel, eights of output channels, taps of the
  // row, chunks of the block, the eight.
  const std::int64_t size =
      patches ? convSteps(tile, p) * p.kernelHeight * p.kernelWidth * rows * chunks * chunk
              : row * rows;
  const int parts = partsOfWeights(math);
  const std::int64_t nextPart = patches ? p.kernelWidth * chunks * 8 * chunk : size;
  std::vector<float> packed(static_cast<std::size_t>(parts * size), 0);
  const float* from = weights;
  for (int o = 0; o < original.outChannels; ++o)
    for (std::int64_t c = 0; c < original.inChannels; ++c)
      for (std::int64_t y = 0; y < original.kernelHeight; ++y)
        for (std::int64_t x = 0; x < original.kernelWidth; ++x) {
          const std::int64_t tapY = y + chunked.shiftY, tapX = x + chunked.shiftX;
          const std::int64_t line = tapY / chunked.lines, column = tapX / chunked.pixels;
          const std::int64_t part = tapY % chunked.lines * chunked.pixels + tapX % chunked.pixels;
          const std::int64_t channel = part * chunked.channels + c;
          const std::int64_t place = convWeightPlace(math, o), inBlock = channel / chunk;
          std::int64_t at = place * row + (line * p.kernelWidth + column) * p.inChannels + channel;
          if (patches) {
            at = (inBlock / chunks * p.kernelHeight + line) * (rows / 8) + place / 8;
            at = (at * parts * p.kernelWidth + column) * chunks + inBlock % chunks;
            at = (at * 8 + place % 8) * chunk + channel % chunk;
          }
          packed[static_cast<std::size_t>(at)] = parts == 1 ? *from : toTf32(*from);
          if (parts == 2)
            packed[static_cast<std::size_t>(at + nextPart)] = toTf32(*from - toTf32(*from));
          ++from;
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
  const std::int64_t each = tile.depthBytes / elementBytes(tile.math);
  const std::int64_t depth = tile.unit == ConvUnit::kPatch ? problem.inChannels : problem.depth();
  return (depth + each - 1) / each;
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

}  // namespace layerwise::opencl
