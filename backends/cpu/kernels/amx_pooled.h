#pragma once

#include <type_traits>

#include "backends/cpu/kernels/amx_unit.h"
#include "backends/cpu/kernels/pool.h"

namespace layerwise::cpu {
namespace {

// Some pooled rows of an image, a few at a time: the rows that their windows need are computed into
// the scratch, those that the windows before have left there excepted.
template <class Tiles, Element element>
void amxPooledTile(const AmxPlan& p, const AmxBuffers& io, int64_t index, char* scratch) {
  using Value = std::conditional_t<element == Element::kUInt8, uint8_t, uint16_t>;
  const PoolPlan& pool = p.pool;
  const Unit unit = unitAt(p.units, index);
  const int64_t image = unit.image, begin = unit.firstRow, end = begin + unit.rows;
  const int64_t rowBytes = p.out.row * elementBytes(element);
  char* const rows = scratch + p.rowsAt;
  int64_t first = 0, last = 0;  // the rows that are there
  for (int64_t y = begin; y < end; y += p.pooledStrip) {
    const int64_t next = smaller(y + p.pooledStrip, end);
    const int64_t start = y * pool.sh - pool.pt, stop = (next - 1) * pool.sh - pool.pt + pool.kh;
    const int64_t needed = start < 0 ? 0 : smaller(start, p.outH);
    if (needed < last) {
      __builtin_memmove(rows, rows + (needed - first) * rowBytes,
                        static_cast<size_t>((last - needed) * rowBytes));
    } else {
      last = needed;
    }
    first = needed;
    AmxBuffers buffers = io;
    buffers.out = rows - first * rowBytes;
    if (next < end) buffers.ahead = {};
    if (const int64_t count = smaller(stop, p.outH) - last; count > 0) {
      AmxUnit<Tiles, element>(p, buffers, {image, last, count, 0, p.blockCount}, scratch).run();
      last += count;
    }
    for (int64_t row = y; row < next; ++row) {
      PoolLargest<typename Tiles::Vector, Value>::run(pool, buffers.out, io.out,
                                                      image * pool.outH + row);
    }
  }
}

}  // namespace
}  // namespace layerwise::cpu
