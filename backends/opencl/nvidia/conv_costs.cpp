// What convolutions are estimated to cost, and the ways to cut one up that are worth a measurement.
#include <algorithm>
#include <cmath>
#include <limits>

#include "backends/opencl/nvidia/conv.h"

namespace layerwise::opencl {
namespace {

constexpr std::int64_t kLocalBytes = 48 * 1024;

/// What time depends on beside counts: fitted to what bench/cl_conv_bench measured on an H200.
struct ConvCosts {
  double flopsPerCycle = 0;
  double serial = 0.33;    ///< of the shorter of computing and moving, what shows
  double issueCycles = 0;  ///< of a step, for four warps
  /// Until a copy has come, and the part of that where groups are few; of a step of a group that is
  /// alone.
  double waitCycles = 0, quiet = 1, shortestCycles = 0;
  double startCycles = 0;
  double storedPerCycle = 10.6;
  /// Of partial sums: what adding them up takes, and groups beside one another.
  double splitCycles = 2400, splitPerCycle = 7.9;
  double sharedPerCycle = std::numeric_limits<double>::infinity();
  double registers = 0, registersPerSum = 1.2;
  double bytesPerSecond = 5.7e12;
};

ConvCosts convCosts(const ConvTile& tile) {
  const double width = 4.0 / elementBytes(tile.math);
  const bool bytes = tile.math == ConvMath::kBytes;
  const bool warps = tile.unit == ConvUnit::kWarp, patches = tile.unit == ConvUnit::kPatch;
  ConvCosts c;
  if (tile.math == ConvMath::kFloat) {
    c.flopsPerCycle = 230, c.shortestCycles = 260 + 1.25 * tile.depthBytes;
    c.startCycles = 1800 + 150.0 * tile.stages, c.storedPerCycle = 24;
    c.splitCycles = 1500, c.splitPerCycle = 20, c.registers = 100, c.bytesPerSecond = 2.8e12;
  } else if (tile.math == ConvMath::kTf32x3) {
    c.flopsPerCycle = warps ? 380 : (patches ? 390 : 290) + 1.75 * tile.channels;
    c.issueCycles = 40, c.waitCycles = 630, c.shortestCycles = 107, c.startCycles = 1400;
    c.registers = warps ? 70 : 50, c.bytesPerSecond = 2.8e12;
  } else if (warps || (bytes && !patches)) {
    c.flopsPerCycle = (warps ? 1000 : 1320) * width, c.issueCycles = warps ? 40 : 55;
    c.waitCycles = 630, c.shortestCycles = 107, c.startCycles = 1400;
    c.registers = warps ? 70 : 50;
  } else if (bytes) {
    c.flopsPerCycle = 1600 * width, c.issueCycles = 90, c.waitCycles = 900, c.shortestCycles = 300;
    c.startCycles = 2800, c.registers = 50;
  } else if (patches) {
    c.flopsPerCycle = 2385 * width, c.serial = 0.32, c.issueCycles = 67.0 * tile.depthBytes / 32;
    c.waitCycles = 579, c.shortestCycles = 276, c.startCycles = 6000, c.sharedPerCycle = 1.5;
    c.registers = 40, c.registersPerSum = 1;
  } else {
    c.flopsPerCycle = 2385 * width, c.serial = 0.12, c.issueCycles = 10;
    c.waitCycles = 1097, c.quiet = 0.5, c.shortestCycles = 48, c.startCycles = 1525;
    c.sharedPerCycle = 1.62, c.registers = 45, c.registersPerSum = 1;
  }
  return c;
}

/// Cycles that a step of one tile takes in local memory, or until its rows are there: those of 64
/// bytes come slower than those of 128. Over patches weights come by the copy engine.
double convMovingCycles(const ConvTile& t, double taps) {
  const double warps = t.threads() / 32.0, bytes = taps * t.depthBytes;
  if (t.math == ConvMath::kHalf || t.math == ConvMath::kTf32) {
    if (t.unit == ConvUnit::kWarpgroup)
      return (t.pixels + t.channels) * bytes / (t.depthBytes == 64 ? 41 : 54);
    if (t.unit == ConvUnit::kPatch)
      return (0.71 * warps / 4 * (64 + t.channels) + 0.61 * t.channels) * bytes / 128;
  }
  const double reads = t.unit == ConvUnit::kWarp ? warps * (t.warpPixels + t.warpChannels)
                                                 : warps / 4 * (4 * t.warpPixels + t.warpChannels);
  const double copies = t.channels + (t.unit == ConvUnit::kPatch ? 0.3 : 1) * t.pixels;
  return (reads + copies) * bytes / 128 * (t.math == ConvMath::kFloat ? 2 : 1);
}

}  // namespace

double convSeconds(const ConvCut& cut, const ConvProblem& p, int multiprocessors) {
  const ConvTile& t = cut.tile;
  const ConvCosts costs = convCosts(t);
  constexpr double kClock = 1.7e9, kLaunch = 5e-6;
  // One step of one tile, in cycles of a multiprocessor: arithmetic, memory, instructions.
  // Over patches a step is a row of the kernel, and a patch comes once for all of them.
  const bool patches = t.unit == ConvUnit::kPatch;
  const double taps = patches ? static_cast<double>(p.kernelWidth) : 1;
  const double elements = taps * t.depthBytes / elementBytes(t.math);
  const double arithmetic = 2.0 * t.pixels * t.channels * elements / costs.flopsPerCycle;
  const double moving = convMovingCycles(t, taps);
  const double busy = std::max(arithmetic, moving) + costs.serial * std::min(arithmetic, moving) +
                      costs.issueCycles * t.threads() / 128;
  // Alone on its multiprocessor, a group waits for its copies; beside others it need not.
  const double ahead = std::max(1, t.stages - 1 - (patches ? 0 : t.flight));
  const double groups = static_cast<double>(convTileCount(t, p)) * cut.splits;
  const double beside = groups / multiprocessors;
  const double wait = costs.waitCycles * std::min(1.0, costs.quiet + 0.25 * beside);
  const double alone = std::max(busy, wait / ahead + costs.shortestCycles);
  const double sums = t.warpPixels * t.warpChannels / 32.0;
  const double registers = costs.registers + costs.registersPerSum * sums;
  const double localBytes = static_cast<double>(
      patches ? ConvPatch(p, t).localBytes
              : t.depthBytes * (t.stages * (t.pixels + partsOfWeights(t.math) * t.channels) +
                                (partsOfWeights(t.math) - 1) * 2 * t.pixels));
  const double resident = std::max(1.0, std::floor(std::min(227 * 1024 / (localBytes + 1024),
                                                            65536 / (registers * t.threads()))));
  const double steps =
      static_cast<double>(convStepsPerSplit(cut, p) * (patches ? p.kernelHeight : 1));
  const double store = t.pixels * t.channels / costs.storedPerCycle;
  double cycles =
      std::max(std::ceil(beside) * (steps * busy + store),
               std::ceil(beside / resident) * (steps * alone + store + costs.startCycles));
  if (cut.splits > 1)
    cycles += costs.splitCycles + t.pixels * t.channels *
                                      (cut.splits / costs.splitPerCycle +
                                       std::max(0.0, beside - 1.7) / costs.sharedPerCycle);
  const double bytes =
      elementBytes(t.math) *
      (static_cast<double>(p.images * p.inHeight * p.inWidth) * static_cast<double>(p.inChannels) +
       static_cast<double>(p.pixels() * p.outChannels) +
       static_cast<double>(p.depth() * p.outChannels));
  const double computing = cycles / kClock, streaming = bytes / costs.bytesPerSecond;
  return kLaunch + std::max(computing, streaming) + 0.35 * std::min(computing, streaming);
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
