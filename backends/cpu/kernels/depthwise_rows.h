#pragma once

#include "backends/cpu/kernels/depthwise_results.h"

namespace layerwise::cpu {
namespace {

// Depthwise 3x3 convolutions of bytes without dilation, at stride S of 1 or 2. A word holds the
// rows of a column of one channel, in such an order that two rows of results share the work of
// putting them together: input rows a b c d as [a c b d], with weights [w0 w2 w1 0] for the first
// row of results and [0 w1 w0 w2] for the second; at stride 2 the second takes [c e b d] with
// [w0 w2 0 w1]. Each column is put together once for all results in reach.
//
// The channels behind the last whole block come P pairs of rows at a time, each in a part of the
// vectors.
template <class Dot, int S, int P>
struct DepthwiseRows {
  using V = typename Dot::Vector;
  using Words = typename Dot::Words;
  using Index = typename V::Index;
  using Reg = typename V::Reg;
  using Finish = DepthwiseResults<V>;
  static constexpr int kChannels = Finish::kChannels, kRows = 2;
  static constexpr int kInputRows = S + 3;
  // Columns whose results wait for the rest of the epilogue.
  static constexpr int kWaiting = kTileFloats / (kRows * kChannels);

  // S words for each channel: those of the first row of results, or of both.
  struct Column {
    Words words[S][4];
  };
  template <class Byte>
  struct Walk {
    Byte* at;
    int64_t step;
  };

  Walk<const char> in[kInputRows][P];
  Walk<char> out[kRows][P];
  int64_t column;  // of the input, the next one
  int64_t width, channels;
  int borderWord;
  const float* header;
  float* sums;
  int waiting = 0;

  LW_INLINE void next(Column& c) {
    const bool outside = static_cast<uint64_t>(column++) >= static_cast<uint64_t>(width);
    Index words[S][4];
    if (outside) {
      LW_UNROLL for (int s = 0; s < S; ++s) {
        LW_UNROLL for (int j = 0; j < 4; ++j) words[s][j] = V::setIndex(borderWord);
      }
    } else {
      Index rows[kInputRows];
      LW_UNROLL for (int r = 0; r < kInputRows; ++r) {
        const char* from[P];
        LW_UNROLL for (int i = 0; i < P; ++i) {
          from[i] = in[r][i].at;
          in[r][i].at += in[r][i].step;
        }
        rows[r] = V::loadParts(from);
      }
      Index ac[2], bd[2];
      V::interleaveBytes(rows[0], rows[2], ac[0], ac[1]);
      V::interleaveBytes(rows[1], rows[3], bd[0], bd[1]);
      interleaveShorts<V>(ac, bd, words[0]);
      if constexpr (S == 2) {
        Index ce[2];
        V::interleaveBytes(rows[2], rows[4], ce[0], ce[1]);
        interleaveShorts<V>(ce, bd, words[1]);
      }
    }
    LW_UNROLL for (int s = 0; s < S; ++s) {
      LW_UNROLL for (int j = 0; j < 4; ++j) c.words[s][j] = Dot::activations(words[s][j]);
    }
  }

  // The results of three columns.
  template <bool bytes>
  LW_INLINE void put(const Finish& finish, const Column& left, const Column& middle,
                     const Column& right) {
    const float* const start = header + 2 * kChannels;
    const float* const weights = header + 3 * kChannels;
    Reg y[kRows][4];
    LW_UNROLL for (int j = 0; j < 4; ++j) {
      LW_UNROLL for (int r = 0; r < kRows; ++r) {
        const float* const w = weights + 3 * r * kChannels + j * V::kWidth;
        typename Dot::Acc acc = Dot::start(start + j * V::kWidth);
        acc = Dot::dot(acc, left.words[r % S][j], Dot::weights(w));
        acc = Dot::dot(acc, middle.words[r % S][j], Dot::weights(w + kChannels));
        acc = Dot::dot(acc, right.words[r % S][j], Dot::weights(w + 2 * kChannels));
        y[r][j] = Finish::scaled(acc, header, j);
      }
    }
    LW_UNROLL for (int r = 0; r < kRows; ++r) {
      if constexpr (bytes) {
        char* to[P];
        LW_UNROLL for (int i = 0; i < P; ++i) {
          to[i] = out[r][i].at;
          out[r][i].at += out[r][i].step;
        }
        V::storeParts(to, finish.narrowed(y[r]), static_cast<int>(channels));
      } else {
        Finish::store(sums + (r * kWaiting + waiting) * kChannels, y[r]);
      }
    }
    if constexpr (!bytes) ++waiting;
  }

  // All columns of the rows from y on. `border` holds a vector of zero points, and behind it there
  // is place for another.
  template <bool bytes>
  static void run(const DepthwiseUnit& unit, const Finish& finish, const float* header, int64_t y,
                  int64_t channel, int64_t channels, float* sums, char* border) {
    const ConvPlan& p = unit.plan;
    const ConvShape& s = p.shape;
    DepthwiseRows work;
    work.column = -s.pl;
    work.width = s.w;
    work.channels = channels;
    __builtin_memcpy(&work.borderWord, border, sizeof work.borderWord);
    work.header = header;
    work.sums = sums;
    for (int i = 0; i < P; ++i) {
      const int64_t firstOut = y + kRows * i, first = firstOut * S - s.pt;
      for (int r = 0; r < kInputRows; ++r) {
        const bool inside = first + r >= 0 && first + r < s.h;
        work.in[r][i] =
            inside ? Walk<const char>{unit.in + (first + r) * p.in.row + channel, p.in.pixel}
                   : Walk<const char>{border, 0};
      }
      for (int r = 0; r < kRows; ++r) {
        const bool exists = firstOut + r < unit.end;
        work.out[r][i] = exists ? Walk<char>{unit.outAt(firstOut + r, 0, channel), p.out.pixel}
                                : Walk<char>{border + 64, 0};
      }
    }
    Column a, b, c;
    work.next(a);
    if constexpr (S == 1) work.next(b);
    for (int64_t x = 0; x < p.outW;) {
      const auto isLast = [&]() __attribute__((always_inline)) {
        ++x;
        if constexpr (!bytes) {
          if (work.waiting == kWaiting || x == p.outW) {
            for (int r = 0; r < kRows * P && y + r < unit.end; ++r) {
              const int64_t from = x - work.waiting;
              finish.finish(sums + r % kRows * kWaiting * kChannels + r / kRows * (kChannels / P),
                            unit.residualAt(y + r, from, channel), unit.outAt(y + r, from, channel),
                            work.waiting, channels);
            }
            work.waiting = 0;
          }
        }
        return x == p.outW;
      };
      if constexpr (S == 1) {
        work.next(c);
        work.template put<bytes>(finish, a, b, c);
        if (isLast()) break;
        work.next(a);
        work.template put<bytes>(finish, b, c, a);
        if (isLast()) break;
        work.next(b);
        work.template put<bytes>(finish, c, a, b);
        if (isLast()) break;
      } else {
        work.next(b);
        work.next(c);
        work.template put<bytes>(finish, a, b, c);
        if (isLast()) break;
        work.next(b);
        work.next(a);
        work.template put<bytes>(finish, c, b, a);
        if (isLast()) break;
      }
    }
  }
};

template <class Dot, int S>
void convDepthwiseRows(const DepthwiseUnit& unit, const TypedConvBuffers& io, float* sums,
                       char* border) {
  using V = typename Dot::Vector;
  constexpr int64_t kChannels = 4 * V::kWidth;
  const ConvPlan& p = unit.plan;
  const DepthwiseResults<V> finish(p);
  for (int64_t y = unit.begin; y < unit.end; y += 2) {
    for (int64_t block = unit.firstBlock; block < unit.lastBlock; ++block) {
      const int64_t channel = block * kChannels,
                    channels = smaller(p.shape.co - channel, kChannels);
      const float* header = static_cast<const float*>(io.packed) + block * p.blockRows * kChannels;
      const int64_t parts = depthwiseParts(V::kWidth, channels);
      if ((y - unit.begin) % (2 * parts)) continue;
      const auto run = [&]<int P>() {
        using Rows = DepthwiseRows<Dot, S, P>;
        (finish.areBytes ? &Rows::template run<true>
                         : &Rows::template run<false>)(unit, finish, header, y, channel, channels,
                                                       sums, border);
      };
      if (parts == 1) {
        run.template operator()<1>();
      } else if (parts == 2) {
        run.template operator()<2>();
      } else if constexpr (V::kWidth == 16) {
        run.template operator()<4>();
      }
    }
  }
}

}  // namespace
}  // namespace layerwise::cpu
