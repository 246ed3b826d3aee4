#pragma once

#include "backends/cpu/amx_conv.h"
#include "backends/cpu/kernels/amx_scratch.h"
#include "backends/cpu/simd/inline.h"

namespace layerwise::cpu {
namespace {

// Columns of a row of an image, from planes of float32: words of two bfloat16 side by side, of two
// neighbouring channels each, or of a last one and a zero.
template <class V>
class WordColumns {
 public:
  explicit WordColumns(const AmxPlan& plan) : p(plan) {
    for (int64_t v = 0; v < p.columnWords; ++v) {
      alignas(64) unsigned char from[64];
      for (int64_t byte = 0; byte < 64; ++byte) {
        const int64_t word = v * V::kWidth + byte / 4, column = word / p.columnWords;
        // The second channels of all columns come after the first ones.
        from[byte] = static_cast<unsigned char>(byte % 4 / 2 * 32 + 2 * column + byte % 2);
        places[v][word % p.columnWords] |= uint64_t{1} << byte;
      }
      index[v] = V::load(reinterpret_cast<const float*>(from));
    }
  }

  // Writes up to 15 columns beyond what is asked for.
  void operator()(const float* row, int64_t count, char* to) const {
    switch (p.shape.ci) {
      case 1:
        return columns<1>(row, count, to);
      case 2:
        return columns<2>(row, count, to);
      case 3:
        return columns<3>(row, count, to);
      default:
        return columns<kMostColumnChannels>(row, count, to);
    }
  }

 private:
  using Reg = typename V::Reg;

  template <int C>
  LW_INLINE void columns(const float* row, int64_t count, char* to) const {
    int64_t x = 0;
    for (; x + V::kWidth <= count; x += V::kWidth, to += wordsOf(C) * 64) {
      columnsOf<C>(
          [&](int c) __attribute__((always_inline)) { return V::load(row + c * p.in.channel + x); },
          to);
    }
    if (x == count) return;
    columnsOf<C>(
        [&](int c) __attribute__((always_inline)) {
          return V::loadFirst(row + c * p.in.channel + x, static_cast<int>(count - x));
        },
        to);
  }

  // As many columns as a vector has floats.
  template <int C, class Channel>
  LW_INLINE void columnsOf(const Channel& channel, char* to) const {
    constexpr int kWords = wordsOf(C);
    Reg words[kWords];
    LW_UNROLL for (int i = 0; i < kWords; ++i) {
      words[i] = V::bfloat16Pair(channel(2 * i), 2 * i + 1 < C ? channel(2 * i + 1) : V::zero());
    }
    LW_UNROLL for (int v = 0; v < kWords; ++v) {
      Reg result = words[0];
      LW_UNROLL for (int i = 0; i < kWords; ++i) {
        result = V::pickBytes(result, places[v][i], index[v], words[i]);
      }
      V::store(reinterpret_cast<float*>(to + v * 64), result);
    }
  }

  static constexpr int wordsOf(int channels) { return (channels + 1) / 2; }
  static constexpr int64_t kMostWords = wordsOf(kMostColumnChannels);

  const AmxPlan& p;
  uint64_t places[kMostWords][kMostWords] = {};  // of each vector, those of a word
  Reg index[kMostWords];
};

}  // namespace
}  // namespace layerwise::cpu
