#pragma once

#include <cstdint>

#include "backends/cpu/cache_sizes.h"
#include "backends/cpu/divide_up.h"

namespace layerwise::cpu {

/// How the work of a layer is cut into units that are independent of each other: the output rows of
/// its images into strips, the blocks of its output channels into chunks, all as even as grains
/// allow.
struct UnitGrid {
  int64_t images = 1;
  int64_t rows = 0, rowGrain = 1, strips = 1;      ///< grain: rows that stay together
  int64_t blocks = 0, blockGrain = 1, chunks = 1;  ///< grain: blocks that stay together
  /// Which units follow one another, and so are mostly one worker's: those of the same channels,
  /// or those of the same rows.
  bool byChannels = false;
};

/// What a layer is cut by.
struct UnitSizes {
  int64_t images = 1;
  int64_t rows = 0, rowGrain = 1;
  int64_t leastRows = 1, cacheRows = 1;  ///< of a strip: fewer lose too much; what caches hold
  int64_t blocks = 0, blockGrain = 1;
  int threads = 1, unitsPerThread = 1;
  /// Whether workers read some weights each rather than some rows each. Layers that all cut rows
  /// find what they read in their own core's caches: it was written there.
  bool byChannels = false;
};

/// Whether reading all weights costs a worker more than reading what another core has written.
/// Input that each unit copies counts twice.
bool weightsDominate(int64_t weightBytes, int64_t inputBytes, const CacheSizes& caches);

/// Several units for each of several workers: rows as long as strips hold enough of them, channels
/// then.
UnitGrid cutIntoUnits(const UnitSizes& sizes);

// Internal linkage: units of every instruction set include this.
namespace {

// Where part `i` of `parts` begins.
constexpr int64_t partBegin(int64_t i, int64_t parts, int64_t count, int64_t grain) {
  const int64_t begin = i * divideUp(count, grain) / parts * grain;
  return begin < count ? begin : count;
}

constexpr int64_t largestPart(int64_t parts, int64_t count, int64_t grain) {
  const int64_t size = divideUp(divideUp(count, grain), parts) * grain;
  return size < count ? size : count;
}

constexpr int64_t mostRows(const UnitGrid& g) {
  return largestPart(g.strips, g.rows, g.rowGrain);
}
constexpr int64_t mostBlocks(const UnitGrid& g) {
  return largestPart(g.chunks, g.blocks, g.blockGrain);
}
constexpr int64_t unitCount(const UnitGrid& g) {
  return g.images * g.strips * g.chunks;
}
// Whether each worker reads the weights of all channels.
constexpr bool sharesWeights(const UnitGrid& g) {
  return g.chunks == 1 || !g.byChannels;
}

struct Unit {
  int64_t image;
  int64_t firstRow, rows;
  int64_t firstBlock, lastBlock;
};

constexpr Unit unitAt(const UnitGrid& g, int64_t index) {
  const int64_t places = g.images * g.strips;
  const int64_t chunk = g.byChannels ? index / places : index % g.chunks;
  const int64_t place = g.byChannels ? index % places : index / g.chunks;
  const int64_t strip = place % g.strips;
  const int64_t firstRow = partBegin(strip, g.strips, g.rows, g.rowGrain);
  return {place / g.strips, firstRow, partBegin(strip + 1, g.strips, g.rows, g.rowGrain) - firstRow,
          partBegin(chunk, g.chunks, g.blocks, g.blockGrain),
          partBegin(chunk + 1, g.chunks, g.blocks, g.blockGrain)};
}

}  // namespace
}  // namespace layerwise::cpu
