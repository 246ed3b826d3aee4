#pragma once

#include "backends/cpu/amx_conv.h"
#include "backends/cpu/kernels/amx_planes.h"
#include "backends/cpu/kernels/amx_scratch.h"
#include "backends/cpu/kernels/transpose.h"

namespace layerwise::cpu {
namespace {

// Copies strips of the input, with its border, to where rows of tiles are read. Whole vectors are
// written, up to 63 bytes beyond what they are asked for: always towards what is written later, or
// to the spare bytes at the scratch's end.
template <class V>
class AmxCopy {
 public:
  explicit AmxCopy(const AmxPlan& plan)
      : p(plan),
        s(plan.shape),
        pixelBytes(s.ci * elementBytes(p.config.element)),
        inPixel(p.in.pixel * elementBytes(p.config.element)),
        inRow(p.in.row * elementBytes(p.config.element)) {
    // What the border holds: zero, or the byte that stands for it.
    alignas(64) unsigned char bytes[64];
    for (unsigned char& byte : bytes) byte = static_cast<unsigned char>(p.conversion.inputZero);
    border = V::load(reinterpret_cast<const float*>(bytes));
  }

  // Pictures of p.phaseRows x p.rowPositions pixels for `rows` output rows, one for each offset
  // modulo the stride; each in planes of 64 bytes a pixel, so that a tile is one piece of memory,
  // or in one of whole pixels.
  void phases(const char* image, int64_t firstRow, int64_t rows, char* to) const {
    const int64_t copied = rows + (s.kh - 1) * s.dh / s.sh, columns = p.rowPositions;
    const bool dense = s.sw == 1 && inPixel == pixelBytes && pixelBytes == p.position;
    const auto fillPixels = [&](char* pixel, int64_t count) {
      for (int64_t plane = 0; plane < p.planes; ++plane) {
        fill(pixel + plane * p.planeBytes, count * p.position);
      }
    };
    for (int64_t phase = 0; phase < p.phasesH * p.phasesW; ++phase) {
      const int64_t py = phase / p.phasesW, px = phase % p.phasesW;
      // Columns [left, right) are inside the image.
      const int64_t left = px >= s.pl ? 0 : smaller(columns, divideUp(s.pl - px, s.sw));
      const int64_t inside = divideUp(s.w + s.pl - px, s.sw);
      const int64_t right = inside < left ? left : smaller(columns, inside);
      for (int64_t r = 0; r < copied; ++r) {
        char* pixel = to + phase * p.phaseBytes + r * columns * p.position;
        const int64_t y = (firstRow + r) * s.sh + py - s.pt;
        if (y < 0 || y >= s.h) {
          fillPixels(pixel, columns);
          continue;
        }
        fillPixels(pixel, left);
        pixel += left * p.position;
        const char* from = image + y * inRow + (left * s.sw + px - s.pl) * inPixel;
        if (dense) {
          copy(pixel, from, (right - left) * p.position);
          pixel += (right - left) * p.position;
        } else {
          for (int64_t x = left; x < right; ++x, from += s.sw * inPixel, pixel += p.position) {
            copy(pixel, from, pixelBytes, p.planes == 1 ? 64 : p.planeBytes);
          }
        }
        fillPixels(pixel, columns - right);
      }
    }
  }

  // The same of rows: a column is what an output pixel reads of one.
  void rowPhases(const char* image, int64_t firstRow, int64_t rows, char* to) const {
    const int64_t copied = rows + (s.kh - 1) * s.dh / s.sh;
    for (int64_t py = 0; py < p.phasesH; ++py) {
      for (int64_t r = 0; r < copied; ++r) {
        char* pixel = to + py * p.phaseBytes + r * p.rowPositions * p.position;
        const int64_t y = (firstRow + r) * s.sh + py - s.pt;
        if (y < 0 || y >= s.h) {
          fill(pixel, p.rowPositions * p.position);
          continue;
        }
        for (int64_t x = 0; x < p.outW; ++x, pixel += p.position) {
          taps(image + y * inRow, x, pixel);
          clearAfter(s.kw * pixelBytes, pixel);
        }
      }
    }
  }

  // For each output pixel one row of all that it reads.
  void gathered(const char* image, int64_t firstRow, int64_t rows, char* to) const {
    const int64_t rowBytes = s.kw * pixelBytes;
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t x = 0; x < p.outW; ++x, to += p.position) {
        for (int64_t ky = 0; ky < s.kh; ++ky) {
          const int64_t y = (firstRow + r) * s.sh - s.pt + ky * s.dh;
          if (y < 0 || y >= s.h) {
            fill(to + ky * rowBytes, rowBytes);
          } else {
            taps(image + y * inRow, x, to + ky * rowBytes);
          }
        }
        clearAfter(s.kh * rowBytes, to);
      }
    }
  }

 private:
  // What is left of a position's bytes is multiplied by weights of zero.
  LW_INLINE void clearAfter(int64_t used, char* to) const {
    if (used < p.position) V::store(reinterpret_cast<float*>(to + used), V::zero());
  }

  // What an output pixel reads of one row of the input.
  LW_INLINE void taps(const char* row, int64_t x, char* to) const {
    const int64_t first = x * s.sw - s.pl;
    if (s.dw == 1 && inPixel == pixelBytes && first >= 0 && first + s.kw <= s.w) {
      copy(to, row + first * inPixel, s.kw * pixelBytes);
      return;
    }
    for (int64_t kx = 0; kx < s.kw; ++kx, to += pixelBytes) {
      const int64_t column = first + kx * s.dw;
      if (column < 0 || column >= s.w) {
        fill(to, pixelBytes);
      } else {
        copy(to, row + column * inPixel, pixelBytes);
      }
    }
  }

  // To pieces of 64 bytes, `step` apart. After the copied bytes come zeros up to the end of a
  // vector: no NaN.
  LW_INLINE void copy(char* to, const char* from, int64_t count, int64_t step = 64) const {
    for (; count >= 64; count -= 64, to += step, from += 64) {
      V::store(reinterpret_cast<float*>(to), V::load(reinterpret_cast<const float*>(from)));
    }
    if (count > 0) V::store(reinterpret_cast<float*>(to), V::loadFirstBytes(from, count));
  }
  LW_INLINE void fill(char* to, int64_t count) const {
    for (int64_t i = 0; i < count; i += 64) V::store(reinterpret_cast<float*>(to + i), border);
  }

  const AmxPlan& p;
  const ConvShape& s;
  int64_t pixelBytes, inPixel, inRow;
  typename V::Reg border;
};

template <class V>
void copyForTiles(const AmxPlan& p, const char* image, int64_t firstRow, int64_t rows, char* to) {
  if (p.config.method == AmxMethod::kPlanes) {
    AmxPlanes<V>(p).copy(image, firstRow, rows, to, to - kAmxStoreBytes + p.linesAt);
    return;
  }
  const AmxCopy<V> copy(p);
  if (p.config.method == AmxMethod::kPhases) {
    copy.phases(image, firstRow, rows, to);
  } else if (p.config.method == AmxMethod::kRows) {
    copy.rowPhases(image, firstRow, rows, to);
  } else {
    copy.gathered(image, firstRow, rows, to);
  }
}

}  // namespace
}  // namespace layerwise::cpu
