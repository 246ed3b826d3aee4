#pragma once

#include "backends/cpu/conv.h"
#include "backends/cpu/kernels/finish.h"

namespace layerwise::cpu {
namespace {

// Copies input rows [firstRow, firstRow + rows) of one image, borders included as zeros, so that
// the microkernel sees none: channels [firstChannel, + channels) to rows of p.copyColumns pixels,
// p.copyPixel floats each. A vector may spill over the end of its pixel; what follows is written
// later, and the scratch ends with a spare vector.
template <class V>
void copyStrip(const ConvPlan& p, const float* image, int64_t firstRow, int64_t rows,
               int64_t firstChannel, int64_t channels, float* scratch) {
  const ConvShape& s = p.shape;
  const int64_t left = smaller(s.pl, p.copyColumns);
  const int64_t inside = smaller(s.w, p.copyColumns - left);
  const auto zeroFill = [](float* to, int64_t count) {
    for (int64_t i = 0; i < count; i += V::kWidth) V::store(to + i, V::zero());
  };
  for (int64_t row = 0; row < rows; ++row) {
    float* to = scratch + row * p.copyRow;
    const int64_t y = firstRow + row;
    if (y < 0 || y >= s.h) {
      zeroFill(to, p.copyColumns * p.copyPixel);
      continue;
    }
    zeroFill(to, left * p.copyPixel);
    to += left * p.copyPixel;
    const float* from = image + y * p.in.row + firstChannel * p.in.channel;
    if (p.in.channel != 1) {
      for (int64_t c = 0; c < channels; ++c) {
        const float* plane = from + c * p.in.channel;
        for (int64_t x = 0; x < inside; ++x) to[x * p.copyPixel + c] = plane[x * p.in.pixel];
      }
    } else if (p.in.pixel == p.copyPixel && channels == p.copyPixel) {
      for (int64_t i = 0; i < inside * channels; i += V::kWidth)
        V::store(to + i, V::load(from + i));
    } else {
      for (int64_t x = 0; x < inside; ++x) {
        const float* pixel = from + x * p.in.pixel;
        for (int64_t c = 0; c < channels; c += V::kWidth) {
          V::store(to + x * p.copyPixel + c, V::load(pixel + c));
        }
      }
    }
    zeroFill(to + inside * p.copyPixel, (p.copyColumns - left - inside) * p.copyPixel);
  }
}

}  // namespace
}  // namespace layerwise::cpu
