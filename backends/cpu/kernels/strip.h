#pragma once

#include <type_traits>

#include "backends/cpu/conv.h"
#include "backends/cpu/kernels/finish.h"

namespace layerwise::cpu {
namespace {

// A row of a picture: of three planes pixels `step` apart. A pixel is written as four numbers, the
// last of which is 0 and the next pixel's place where `step` is 3. Returns how many were: at least
// one is left.
template <class V>
int64_t interleaveThree(const float* planes, int64_t plane, float* to, int64_t step,
                        int64_t pixels) {
  constexpr int kParts = V::kWidth / 4;
  using Reg = typename V::Reg;
  int64_t x = 0;
  for (; x + V::kWidth < pixels; x += V::kWidth) {
    const float* const from = planes + x;
    Reg even[2], odd[2], four[4];
    V::interleave(V::load(from), V::load(from + 2 * plane), even[0], even[1]);
    V::interleave(V::load(from + plane), V::zero(), odd[0], odd[1]);
    V::interleave(even[0], odd[0], four[0], four[1]);
    V::interleave(even[1], odd[1], four[2], four[3]);
    LW_UNROLL for (int i = 0; i < 4; ++i) {
      V::storeParts(to + (x + i * kParts) * step, V::bitsOf(four[i]), static_cast<int>(step));
    }
  }
  return x;
}

// Copies input rows [firstRow, firstRow + rows) of one image, borders included as zeros, so that
// the microkernel sees none: channels [firstChannel, + channels) to rows of p.copyColumns pixels,
// p.copyPixel elements each. A vector may spill over the end of its pixel; what follows is written
// later, and the scratch ends with a spare vector. Bytes T may become shorts To.
template <class V, class T, class To>
void copyStrip(const ConvPlan& p, const T* image, int64_t firstRow, int64_t rows,
               int64_t firstChannel, int64_t channels, To* scratch) {
  constexpr int64_t kStep = V::kWidth * sizeof(float) / sizeof(To);
  constexpr bool kWidens = sizeof(To) != sizeof(T);
  const ConvShape& s = p.shape;
  const int64_t left = smaller(s.pl, p.copyColumns);
  const int64_t inside = smaller(s.w, p.copyColumns - left);
  const auto move = [](To* to, const T* from) {
    if constexpr (kWidens) {
      V::storeIndex(to, V::loadShorts(from));
    } else {
      V::store(reinterpret_cast<float*>(to), V::load(reinterpret_cast<const float*>(from)));
    }
  };
  const auto zeroFill = [&](To* to, int64_t count) {
    if constexpr (kWidens) {
      const auto zero = V::setShorts(p.conversion.inputZero);
      for (int64_t i = 0; i < count; i += kStep) V::storeIndex(to + i, zero);
    } else if constexpr (sizeof(T) == 1) {
      __builtin_memset(to, p.conversion.inputZero, static_cast<size_t>(count));
    } else {
      for (int64_t i = 0; i < count; i += kStep) {
        V::store(reinterpret_cast<float*>(to + i), V::zero());
      }
    }
  };
  for (int64_t row = 0; row < rows; ++row) {
    To* to = scratch + row * p.copyRow;
    const int64_t y = firstRow + row;
    if (y < 0 || y >= s.h) {
      zeroFill(to, p.copyColumns * p.copyPixel);
      continue;
    }
    zeroFill(to, left * p.copyPixel);
    to += left * p.copyPixel;
    const T* from = image + y * p.in.row + firstChannel * p.in.channel;
    if (p.in.channel != 1) {
      int64_t done = 0;
      if constexpr (std::is_same_v<T, float> && std::is_same_v<To, float>) {
        if (channels == 3 && p.in.pixel == 1) {
          done = interleaveThree<V>(from, p.in.channel, to, p.copyPixel, inside);
        }
      }
      for (int64_t c = 0; c < channels; ++c) {
        const T* plane = from + c * p.in.channel;
        for (int64_t x = done; x < inside; ++x) to[x * p.copyPixel + c] = plane[x * p.in.pixel];
      }
      for (int64_t x = 0; x < inside; ++x) {
        for (int64_t c = 0; c < p.padding; ++c) to[x * p.copyPixel + channels + c] = 0;
      }
    } else if (p.in.pixel == p.copyPixel && channels == p.copyPixel) {
      for (int64_t i = 0; i < inside * channels; i += kStep) move(to + i, from + i);
    } else {
      for (int64_t x = 0; x < inside; ++x) {
        const T* pixel = from + x * p.in.pixel;
        To* target = to + x * p.copyPixel;
        for (int64_t c = 0; c < channels; c += kStep) move(target + c, pixel + c);
        for (int64_t c = 0; c < p.padding; ++c) target[channels + c] = 0;
      }
    }
    zeroFill(to + inside * p.copyPixel, (p.copyColumns - left - inside) * p.copyPixel);
  }
}

}  // namespace
}  // namespace layerwise::cpu
