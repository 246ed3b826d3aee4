#pragma once

#include "backends/cpu/kernels/pack_lanes.h"
#include "backends/cpu/pack_kernels.h"
#include "backends/cpu/winograd_integers.h"

namespace layerwise::cpu {
namespace {

// Some input channels' weights of some output channels: each line holds the same four weights of
// all of them.
template <class V>
struct ByteLanes {
  static constexpr int64_t kInputs = 16;
  static_assert(kInputs / 4 * kMostTaps % V::kWidth == 0);
  int words[kInputs / 4 * kMostTaps][kPackLanes];

  // `count` words of each channel, whose weights are `step` bytes apart.
  void load(const int8_t* weights, int64_t step, int64_t channels, int64_t count) {
    loadLanes<V>(weights, step, channels, count, reinterpret_cast<float(*)[kPackLanes]>(words));
  }

  LW_INLINE int at(int64_t weight, int lane) const {
    return static_cast<int>(static_cast<unsigned>(words[weight / 4][lane])
                            << (24 - 8 * (weight % 4))) >>
           24;
  }
};

template <class V>
void packByteRows(const PackPlan& p, const int8_t* weights, float* packed) {
  ByteLanes<V> some;
  for (int64_t o = 0; o < p.lanes; o += kPackLanes) {
    for (int64_t first = 0; first < p.inputs; first += some.kInputs) {
      const int64_t inputs = smaller(some.kInputs, p.inputs - first);
      some.load(weights + (o * p.inputs + first) * p.taps, p.inputs * p.taps, p.channels - o,
                inputs * p.taps / 4);
      for (int64_t i = 0; i < inputs; i += 4) {
        for (int64_t k = 0; k < p.taps; ++k) {
          int row[kPackLanes] = {};
          for (int64_t b = 0; b < 4; ++b) {
            for (int l = 0; l < kPackLanes; ++l)
              row[l] |= (some.at((i + b) * p.taps + k, l) & 255) << (8 * b);
          }
          storeLanes<V>(packedRow(p, packed, (k * p.inputs + first + i) / 4) + o, row, p.lanes - o);
        }
      }
    }
  }
}

template <class V, int m>
void packByteWinograd(const PackPlan& p, const int8_t* weights, float* packed) {
  constexpr int kPoints = m + 2;
  constexpr auto& matrix = WinogradIntegers<m>::kWeights;
  ByteLanes<V> some;
  for (int64_t o = 0; o < p.lanes; o += kPackLanes) {
    for (int64_t first = 0; first < p.inputs; first += some.kInputs) {
      const int64_t inputs = smaller(some.kInputs, p.inputs - first);
      some.load(weights + (o * p.inputs + first) * 9, p.inputs * 9, p.channels - o, inputs * 9 / 4);
      for (int64_t i = 0; i < inputs; i += 2) {
        int pairs[kPoints * kPoints][kPackLanes];
        for (int64_t b = 0; b < 2; ++b) {
          int given[9][kPackLanes], half[kPoints][3][kPackLanes];
          for (int k = 0; k < 9; ++k) {
            for (int l = 0; l < kPackLanes; ++l) given[k][l] = some.at((i + b) * 9 + k, l);
          }
          LW_UNROLL for (int y = 0; y < kPoints; ++y) {
            for (int x = 0; x < 3; ++x) {
              for (int l = 0; l < kPackLanes; ++l) {
                half[y][x][l] = matrix[y][0] * given[x][l] + matrix[y][1] * given[3 + x][l] +
                                matrix[y][2] * given[6 + x][l];
              }
            }
          }
          for (int y = 0; y < kPoints; ++y) {
            LW_UNROLL for (int x = 0; x < kPoints; ++x) {
              int(&pair)[kPackLanes] = pairs[y * kPoints + x];
              for (int l = 0; l < kPackLanes; ++l) {
                const int value = matrix[x][0] * half[y][0][l] + matrix[x][1] * half[y][1][l] +
                                  matrix[x][2] * half[y][2][l];
                pair[l] = b == 0 ? value & 0xffff
                                 : pair[l] | static_cast<int>(static_cast<unsigned>(value) << 16);
              }
            }
          }
        }
        for (int e = 0; e < kPoints * kPoints; ++e)
          storeLanes<V>(packed + (e * p.inputs + first + i) / 2 * p.lanes + o, pairs[e],
                        p.lanes - o);
      }
    }
  }
}

inline int sumOf(const int8_t* weights, int64_t count) {
  constexpr int kBytes = 64, kRows = 64;  // so many rows' sums of pairs fit 16 bits
  typedef short Shorts __attribute__((vector_size(kBytes)));
  typedef int Ints __attribute__((vector_size(kBytes)));
  Ints sums = {};
  int64_t i = 0;
  while (count - i >= kBytes) {
    Shorts pairs = {};
    for (int row = 0; row < kRows && count - i >= kBytes; ++row, i += kBytes) {
      Shorts some;
      __builtin_memcpy(&some, weights + i, kBytes);
      pairs += (some << 8 >> 8) + (some >> 8);
    }
    Ints words;
    __builtin_memcpy(&words, &pairs, kBytes);
    sums += (words << 16 >> 16) + (words >> 16);
  }
  int sum = 0;
  for (int l = 0; l < kBytes / 4; ++l) sum += sums[l];
  for (; i < count; ++i) sum += weights[i];
  return sum;
}

inline SignedSums sumsOf(const int8_t* weights, int64_t count) {
  constexpr int kLanes = 32, kRows = 255;  // so many rows' sums fit 16 bits
  typedef int8_t Bytes __attribute__((vector_size(kLanes)));
  typedef short Shorts __attribute__((vector_size(2 * kLanes)));
  SignedSums sums;
  int64_t i = 0;
  while (count - i >= kLanes) {
    Shorts positive = {}, negative = {};
    for (int row = 0; row < kRows && count - i >= kLanes; ++row, i += kLanes) {
      Bytes bytes;
      __builtin_memcpy(&bytes, weights + i, sizeof bytes);
      const Shorts some = __builtin_convertvector(bytes, Shorts), none = {};
      positive += some > none ? some : none;
      negative += some < none ? some : none;
    }
    for (int l = 0; l < kLanes; ++l) {
      sums.positive += positive[l];
      sums.negative += negative[l];
    }
  }
  for (; i < count; ++i) {
    sums.positive += weights[i] > 0 ? weights[i] : 0;
    sums.negative += weights[i] < 0 ? weights[i] : 0;
  }
  return sums;
}

}  // namespace
}  // namespace layerwise::cpu
