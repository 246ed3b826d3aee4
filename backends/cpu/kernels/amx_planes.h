#pragma once

#include "backends/cpu/amx_conv.h"
#include "backends/cpu/conv_geometry.h"
#include "backends/cpu/kernels/amx_columns.h"
#include "backends/cpu/kernels/amx_scratch.h"
#include "backends/cpu/kernels/transpose.h"

namespace layerwise::cpu {
namespace {

// Columns of `unit` bytes of `count` lines, side by side: those of the first column, in the order
// of the lines and zeros up to its size, then those of the second. The lines are read and the
// result is written up to 63 bytes beyond their ends.
template <class V>
class Interleave {
 public:
  Interleave(int64_t lineCount, int64_t unitBytes, int64_t columnBytes)
      : count(lineCount), unit(unitBytes), size(columnBytes), columnsPerVector(64 / columnBytes) {
    alignas(64) unsigned char from[64] = {};
    for (int64_t column = 0; column < columnsPerVector; ++column) {
      int64_t byte = column * size;
      for (int64_t i = 0; i < count; ++i) {
        for (int64_t u = 0; u < unit; ++u, ++byte) {
          from[byte] = static_cast<unsigned char>(column * unit + u);
          places[i] |= uint64_t{1} << byte;
        }
      }
    }
    index = V::load(reinterpret_cast<const float*>(from));
  }

  void operator()(const char* const* lines, int64_t columns, char* to) const {
    if (count == 3) {
      vectors<3>(lines, columns, to);
    } else {
      vectors<0>(lines, columns, to);
    }
  }

 private:
  // Of N lines, or 0 for any number.
  template <int N>
  LW_INLINE void vectors(const char* const* lines, int64_t columns, char* to) const {
    const int64_t n = N > 0 ? N : count, step = columnsPerVector * unit, end = columns * unit;
    for (int64_t at = 0; at < end; at += step, to += columnsPerVector * size) {
      typename V::Reg x = V::zero();
      const auto add = [&](int64_t i) __attribute__((always_inline)) {
        x = V::pickBytes(x, places[i], index,
                         V::load(reinterpret_cast<const float*>(lines[i] + at)));
      };
      if constexpr (N > 0) {
        LW_UNROLL for (int i = 0; i < N; ++i) add(i);
      } else {
        for (int64_t i = 0; i < n; ++i) add(i);
      }
      V::store(reinterpret_cast<float*>(to), x);
    }
  }

  int64_t count, unit, size, columnsPerVector;
  uint64_t places[64] = {};  // of each line, a bit for each byte of a vector
  typename V::Reg index;
};

// Copies strips of an image in planes to where rows of tiles are read. Rows of the input are
// brought into pixels, and as many as a step multiplies are put side by side, column by column.
// What an output pixel reads of them is then one piece of memory, which overlaps its neighbours'.
template <class V>
class AmxPlanes {
 public:
  explicit AmxPlanes(const AmxPlan& plan)
      : p(plan),
        s(plan.shape),
        bytes(elementBytes(plan.config.element)),
        columns((p.outW - 1) * s.sw + s.kw),
        words(plan),
        pixels(s.ci, bytes, p.columnRows > 1 ? s.ci * bytes : p.columnBytes),
        rowsTogether(p.columnRows, s.ci * bytes, p.columnBytes) {
    alignas(64) unsigned char values[64];
    for (unsigned char& value : values) value = static_cast<unsigned char>(p.conversion.inputZero);
    border = V::load(reinterpret_cast<const float*>(values));
    for (int64_t& row : lastRead) row = -p.phaseRows;  // no row is read
    for (int64_t step = p.steps - 1; step >= 0; --step) {
      const int64_t y = step * p.columnRows, phase = y % s.sh, row = y / s.sh;
      firstRead[phase] = row;
      if (lastRead[phase] < row) lastRead[phase] = row;
    }
  }

  // Pictures of p.phaseRows x p.rowPositions pixels for `rows` output rows, one for each offset
  // modulo the stride that the first of a step's rows has.
  void copy(const char* image, int64_t firstRow, int64_t rows, char* to, char* lines) const {
    char* const plane = lines;
    char* const ring = plane + s.ci * p.lineBytes;
    const auto packedLine = [&](int64_t y) { return ring + y % p.columnRows * p.packedLineBytes; };
    int64_t next = 0;  // the first row that is not packed yet
    for (int64_t r = 0; r < p.phaseRows; ++r) {
      for (int64_t phase = 0; phase < p.phasesH; ++phase) {
        if (r < firstRead[phase] || r >= rows + lastRead[phase]) continue;
        char* const row = to + phase * p.phaseBytes + r * p.rowPositions * p.position;
        // Rows count from the first that the strip reads.
        const int64_t first = r * s.sh + phase, end = first + p.columnRows;
        const int64_t y = firstRow * s.sh - s.pt;
        if (p.columnWords > 0) {
          wordRow(image, y + first, row);
          continue;
        }
        if (p.columnRows == 1) {
          pack(image, y + first, plane, row);
          continue;
        }
        for (next = next < first ? first : next; next < end; ++next) {
          pack(image, y + next, plane, packedLine(next));
        }
        const char* sources[64];
        for (int64_t i = 0; i < p.columnRows; ++i) sources[i] = packedLine(first + i);
        rowsTogether(sources, columns, row);
      }
    }
  }

 private:
  // Row y of the image between its borders, in words.
  LW_INLINE void wordRow(const char* image, int64_t y, char* to) const {
    if (y < 0 || y >= s.h) return fill(to, columns * p.columnBytes);
    const int64_t left = smaller(s.pl, columns), inside = smaller(s.w, columns - left);
    fill(to, left * p.columnBytes);
    to += left * p.columnBytes;
    words(reinterpret_cast<const float*>(image) + y * p.in.row, inside, to);
    fill(to + inside * p.columnBytes, (columns - left - inside) * p.columnBytes);
  }

  // Row y of the image between its borders, pixel by pixel.
  LW_INLINE void pack(const char* image, int64_t y, char* plane, char* to) const {
    const int64_t column = p.columnRows > 1 ? s.ci * bytes : p.columnBytes;
    if (y < 0 || y >= s.h) {
      fill(to, columns * column);
    } else if (column == bytes) {
      line(image, y * p.in.row, to);
    } else {
      const char* sources[64];
      for (int64_t c = 0; c < s.ci; ++c) {
        sources[c] = plane + c * p.lineBytes;
        line(image, y * p.in.row + c * p.in.channel, plane + c * p.lineBytes);
      }
      pixels(sources, columns, to);
    }
  }

  // One row of a plane between its borders.
  LW_INLINE void line(const char* image, int64_t first, char* to) const {
    const int64_t begin = s.pl * bytes, end = begin + s.w * bytes;
    fill(to, begin);
    if (p.config.element == Element::kUInt8) {
      const auto put = [&](int64_t x, typename V::Reg value) __attribute__((always_inline)) {
        V::store(reinterpret_cast<float*>(to + begin + x), value);
      };
      const char* from = image + first;
      int64_t x = 0;
      for (; x + 64 <= s.w; x += 64) put(x, V::load(reinterpret_cast<const float*>(from + x)));
      if (x < s.w) put(x, V::loadFirstBytes(from + x, s.w - x));
    } else {
      const float* from = reinterpret_cast<const float*>(image) + first;
      auto* values = reinterpret_cast<uint16_t*>(to + begin);
      int64_t x = 0;
      for (; x + V::kWidth <= s.w; x += V::kWidth) {
        V::storeBFloat16(values + x, V::load(from + x), V::kWidth);
      }
      if (x < s.w) {
        V::storeBFloat16(values + x, V::loadFirst(from + x, static_cast<int>(s.w - x)), V::kWidth);
      }
    }
    fill(to + end, columns * bytes - end);
  }

  LW_INLINE void fill(char* to, int64_t count) const {
    for (int64_t i = 0; i < count; i += 64) V::store(reinterpret_cast<float*>(to + i), border);
  }

  const AmxPlan& p;
  const ConvShape& s;
  int64_t bytes;
  int64_t columns;  // of the input, borders included
  WordColumns<V> words;
  Interleave<V> pixels, rowsTogether;
  typename V::Reg border;
  // Of each phase's picture the rows that the first output row reads.
  int64_t firstRead[kMostStride] = {}, lastRead[kMostStride];
};

}  // namespace
}  // namespace layerwise::cpu
