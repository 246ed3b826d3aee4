#pragma once

#include "backends/cpu/kernels/amx_block.h"
#include "backends/cpu/kernels/amx_copy.h"

namespace layerwise::cpu {
namespace {

template <class Tiles, Element element>
class AmxUnit {
 public:
  AmxUnit(const AmxPlan& plan, const AmxBuffers& buffers, const Unit& unit, char* scratch)
      : p(plan),
        io(buffers),
        accumulators(scratch),
        firstBlock(unit.firstBlock),
        lastBlock(unit.lastBlock),
        imageIndex(unit.image) {
    const bool floats =
        p.config.method == AmxMethod::kPlanes && p.config.element == Element::kBFloat16;
    const char* in = static_cast<const char*>(io.in) +
                     imageIndex * p.in.image * elementBytes(floats ? Element::kFloat32 : element);
    const bool flat = p.config.method == AmxMethod::kFlat;
    firstRow = flat ? 0 : unit.firstRow;
    firstColumn = flat ? unit.firstRow : 0;
    if (flat) {
      count = unit.rows;
      before = unit.firstRow;
      a = in + unit.firstRow * p.position;
    } else {
      count = (unit.rows - 1) * p.rowPositions + p.outW;
      char* const copy = scratch + kAmxStoreBytes;
      copyForTiles<V>(p, in, unit.firstRow, unit.rows, copy);
      a = copy;
    }
    // The input ends where the copy goes on.
    bounded = flat;
    tileRows = bounded && before + count < kTileRows ? count : kTileRows;
  }

  void run() {
    Tiles tiles;
    TileShapes shapes;
    const auto rows = static_cast<uint16_t>(tileRows), depth = static_cast<uint16_t>(p.stepBytes);
    for (int i = 0; i < 4; ++i) shapes.tile[i] = {rows, kTileRowBytes};
    for (int i = 4; i < 6; ++i) shapes.tile[i] = {rows, depth};
    for (int i = 6; i < 8; ++i) shapes.tile[i] = {static_cast<uint16_t>(depth / 4), kTileRowBytes};
    tiles.configure(shapes);
    if constexpr (element == Element::kUInt8) {
      chooseFinish<AmxSums::kIntegers>();
    } else if (p.config.companded) {
      chooseFinish<AmxSums::kFloats>();
    } else {
      chooseFinish<AmxSums::kFinished>();
    }
    const int64_t tileCount = divideUp(count, kTileRows);
    // Up to four tiles of positions meet each weight at once, which is loaded once only. Those of
    // an image, whose rows cross lines, take longer to load than weights, and meet four of them.
    const bool crossing = p.config.method == AmxMethod::kPlanes && p.blockCount >= kAccumulators;
    const int64_t tilesAtOnce = crossing ? 1 : 2;
    const bool few = tileCount == 3 || tileCount == 4;
    const int64_t together = tileCount == 1 || crossing ? 4 : few ? 1 : 2;
    const auto runGroup = [&](int64_t block, int64_t n, int64_t group) {
      const int64_t most = n == 1 ? 4 : n == 2 ? 2 : 1, groups = divideUp(tileCount, most);
      if (group >= groups) return;
      const int64_t first = group * most, m = smaller(most, tileCount - first);
      runBlock(tiles, first, m, block, n, group == 0);
    };
    for (int64_t first = firstBlock; first < lastBlock; first += p.group) {
      const int64_t last = smaller(lastBlock, first + p.group);
      const int64_t groups = divideUp(tileCount, tilesAtOnce);
      const int64_t blocksAtOnce = kAccumulators / tilesAtOnce;
      later = laterThan(last, groups * divideUp(last - first, blocksAtOnce) * p.steps, tileCount);
      for (int64_t group = 0; group < groups; ++group) {
        for (int64_t block = first; block < last; block += together) {
          runGroup(block, smaller(last - block, together), group);
        }
      }
    }
    if (AmxJob* last = jobBefore()) finishRows(*last, finish, count);
    tiles.release();
  }

 private:
  using V = typename Tiles::Vector;

  template <AmxSums sums>
  void chooseFinish() {
    finish = p.conversion.output == Element::kFloat32 ? finishOf<V, sums, Element::kFloat32>(p)
                                                      : finishOf<V, sums, element>(p);
  }

  // The constants, behind the magnitudes of companded weights.
  const AmxConstants* constants() const {
    return reinterpret_cast<const AmxConstants*>(io.packed + amxConstantsAt(p.config));
  }
  const char* weights() const { return reinterpret_cast<const char*>(constants() + p.blockCount); }

  // `fresh`: the weights have not been read yet.
  void runBlock(Tiles& tiles, int64_t firstTile, int64_t m, int64_t firstOut, int64_t n,
                bool fresh) {
    AmxJob& job = jobs[blocks % 2];
    AmxBlock block;
    job.firstPosition = firstTile * kTileRows;
    for (int64_t i = 0; i < m; ++i) {
      int64_t start = job.firstPosition + i * kTileRows;
      if (bounded && start + kTileRows > count && tileRows == kTileRows) start = count - kTileRows;
      job.tileStart[i] = start;
      block.a[i] = a + start * p.position;
    }
    block.aStride = p.position;
    block.offsets = io.offsets;
    block.steps = p.steps;
    block.b = weights() + firstOut * p.blockBytes;
    block.bStep = p.blockBytes / p.steps;
    block.magnitudes = reinterpret_cast<const AmxMagnitudes*>(io.packed);
    block.expanded = accumulators + p.expandedAt;
    block.bBlock = p.blockBytes;
    block.streamed = p.streamed;
    block.constants = constants() + firstOut;
    block.startsAtZero =
        p.config.companded || (element == Element::kUInt8 && p.conversion.inputZero == 0);
    block.accumulators = accumulators;
    block.fresh = fresh;
    block.later = &later;
    block.pending = jobBefore();
    block.finish = finish;
    // In lots of some length: each call has constants to load.
    constexpr int64_t kLeastRows = 16;
    block.rowsPerStep = kLeastRows;
    if (block.pending) {
      const int64_t rows = divideUp(block.pending->end - block.pending->position, p.steps);
      block.rowsPerStep = rows < kLeastRows ? kLeastRows : rows;
    }
    job.plan = &p;
    job.accumulators = block.accumulators;
    job.constants = block.constants;
    job.blocks = n;
    job.channels = smaller(p.shape.co - firstOut * 16, n * 16);
    job.position = job.firstPosition;
    job.end = smaller(count, job.firstPosition + m * kTileRows);
    const int64_t y = job.position / p.rowPositions;
    job.x = job.position - y * p.rowPositions;
    const auto place = [&](const View& v) {
      return imageIndex * v.image + (firstRow + y) * v.row + (firstColumn + job.x) * v.pixel +
             firstOut * 16;
    };
    // A flat strip is one row that begins in its middle.
    job.out = static_cast<char*>(io.out) + place(p.out) * elementBytes(p.conversion.output);
    job.residual = nullptr;
    if (p.epilogue.residual != ResidualPlace::kNone) {
      job.residual = static_cast<const char*>(io.residual) +
                     place(p.residual) * elementBytes(p.conversion.residual);
    }
    if (element == Element::kBFloat16 && p.config.companded) {
      multiply<Tiles, Element::kBFloat16, true>(tiles, m, n, block);
    } else {
      multiply<Tiles, element, false>(tiles, m, n, block);
    }
    ++blocks;
  }

  // The last block's, or null.
  AmxJob* jobBefore() { return blocks > 0 ? &jobs[(blocks - 1) % 2] : nullptr; }

  // What follows the blocks before `last`, for so many steps to bring nearer: the next blocks,
  // where these take longer than their own weights to come, or another layer's weights.
  AmxLater laterThan(int64_t last, int64_t steps, int64_t tileCount) const {
    AmxLater result{io.ahead.begin, io.ahead.end};
    if (last < lastBlock) {
      if (tileCount <= kAccumulators) return {};
      const auto* all = reinterpret_cast<const std::byte*>(weights());
      result.next = all + last * p.blockBytes;
      result.end = all + smaller(lastBlock, last + p.group) * p.blockBytes;
    }
    // More would wait for each other: a core has few outstanding misses.
    constexpr int64_t kMostLines = 4;
    result.lines = smaller(kMostLines, divideUp((result.end - result.next) / 64, steps));
    return result;
  }

  const AmxPlan& p;
  const AmxBuffers& io;
  char* const accumulators;
  const char* a;
  int64_t firstBlock, lastBlock;
  int64_t imageIndex, firstRow, firstColumn;
  int64_t count;       // positions
  int64_t before = 0;  // positions that are readable before the first
  bool bounded;
  int64_t tileRows;
  AmxFinish finish{};
  AmxLater later;
  AmxJob jobs[2];      // what is computed, and what is finished meanwhile
  int64_t blocks = 0;  // done
};

}  // namespace
}  // namespace layerwise::cpu
