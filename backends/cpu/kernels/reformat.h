#pragma once

#include "backends/cpu/kernels/transpose.h"
#include "backends/cpu/tensor_ops.h"

namespace layerwise::cpu {
namespace {

// One row of pixels.
template <class V>
void reformatTile(const ReformatPlan& p, const float* in, float* out, int64_t tile) {
  const int64_t image = tile / p.h, y = tile % p.h;
  in += image * p.in.image + y * p.in.row;
  out += image * p.out.image + y * p.out.row;
  if (p.in.channel == 1 && p.out.channel == 1) {
    for (int64_t x = 0; x < p.w; ++x) {
      for (int64_t c = 0; c < p.c; c += V::kWidth) {
        storeUpTo<V>(out + x * p.out.pixel + c, V::load(in + x * p.in.pixel + c), p.c - c);
      }
    }
  } else if (p.in.pixel == 1 && p.out.pixel == 1) {
    for (int64_t c = 0; c < p.c; ++c) {
      for (int64_t x = 0; x < p.w; x += V::kWidth) {
        storeUpTo<V>(out + c * p.out.channel + x, V::load(in + c * p.in.channel + x), p.w - x);
      }
    }
  } else if (p.in.pixel == 1 && p.out.channel == 1) {
    for (int64_t c = 0; c < p.c; c += V::kWidth) {
      for (int64_t x = 0; x < p.w; x += V::kWidth) {
        transposeBlock<V>(in + c * p.in.channel + x, p.in.channel, p.c - c,
                          out + x * p.out.pixel + c, p.out.pixel, p.w - x);
      }
    }
  } else if (p.in.channel == 1 && p.out.pixel == 1) {
    for (int64_t x = 0; x < p.w; x += V::kWidth) {
      for (int64_t c = 0; c < p.c; c += V::kWidth) {
        transposeBlock<V>(in + x * p.in.pixel + c, p.in.pixel, p.w - x, out + c * p.out.channel + x,
                          p.out.channel, p.c - c);
      }
    }
  } else {
    for (int64_t x = 0; x < p.w; ++x) {
      for (int64_t c = 0; c < p.c; ++c) {
        out[x * p.out.pixel + c * p.out.channel] = in[x * p.in.pixel + c * p.in.channel];
      }
    }
  }
}

// One row of pixels. Bytes are few beside what the network does with them: the compiler's code
// suffices.
template <class V>
void imageTile(const ImagePlan& p, const unsigned char* in, float* out, int64_t tile) {
  const int64_t image = tile / p.h, y = tile % p.h;
  in += image * p.inImage + y * p.inRow;
  out += image * p.out.image + y * p.out.row;
  for (int64_t c = 0; c < p.c; ++c) {
    const unsigned char* from = in + (p.swapRedBlue && c != 1 && c < 3 ? 2 - c : c);
    const float scale = p.scale[c], shift = p.shift[c];
    float* to = out + c * p.out.channel;
    for (int64_t x = 0; x < p.w; ++x) {
      to[x * p.out.pixel] = static_cast<float>(from[x * p.c]) * scale + shift;
    }
  }
}

}  // namespace
}  // namespace layerwise::cpu
