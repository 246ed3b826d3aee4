#pragma once

#include "backends/cpu/kernels/depthwise_results.h"

namespace layerwise::cpu {
namespace {

// Depthwise 3x3 convolutions of bytes without dilation, at stride S of 1 or 2. A word holds the
// rows of a column of one channel, in such an order that two rows of results share the work of
// putting them together: input rows a b c d as [a c b d], with weights [w0 w2 w1 0] for the first
// row of results and [0 w1 w0 w2] for the second; at stride 2 the second takes [c e d d] with the
// weights of the first. Each column is put together once for all results in reach.
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
  // Of weights: at stride 2 both rows of results take the same.
  static constexpr int kSets = S == 1 ? 2 : 1;
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
        rows[r] = V::inRegister(V::loadParts(from));
      }
      Index ac[2], bd[2];
      V::interleaveBytes(rows[0], rows[2], ac[0], ac[1]);
      V::interleaveBytes(rows[1], rows[3], bd[0], bd[1]);
      interleaveShorts<V>(ac, bd, words[0]);
      if constexpr (S == 2) {
        Index ce[2], dd[2];
        V::interleaveBytes(rows[2], rows[4], ce[0], ce[1]);
        V::interleaveBytes(rows[3], rows[3], dd[0], dd[1]);
        interleaveShorts<V>(ce, dd, words[1]);
      }
    }
    LW_UNROLL for (int s = 0; s < S; ++s) {
      LW_UNROLL for (int j = 0; j < 4; ++j) c.words[s][j] = Dot::activations(words[s][j]);
    }
  }

  // Neighbouring results, of three columns each: as many as share the loads of weights.
  static constexpr int kTogether = S == 1 ? 2 : 1;

  // N results a row, of the columns from a on.
  template <bool bytes, int N>
  LW_INLINE void put(const Finish& finish, const Column& a, const Column& b, const Column& c,
                     const Column& d) {
    Index shorts[N][kRows][2];
    Reg y[N][kRows][4];
    LW_UNROLL for (int half = 0; half < 2; ++half) {
      LW_UNROLL for (int j = 2 * half; j < 2 * half + 2; ++j) {
        sumAndScale<N>(j, a, b, c, d, y);
      }
      if constexpr (bytes) {
        LW_UNROLL for (int n = 0; n < N; ++n) {
          LW_UNROLL for (int r = 0; r < kRows; ++r) {
            shorts[n][r][half] =
                V::packWords(V::toInt(y[n][r][2 * half]), V::toInt(y[n][r][2 * half + 1]));
          }
        }
      }
    }
    if constexpr (bytes) {
      Index all[N * kRows];
      LW_UNROLL for (int i = 0; i < N * kRows; ++i) {
        all[i] = V::packShorts(shorts[i / kRows][i % kRows][0], shorts[i / kRows][i % kRows][1]);
      }
      finish.bytes.clamp(all);
      LW_UNROLL for (int i = 0; i < N * kRows; ++i) {
        char* to[P];
        LW_UNROLL for (int part = 0; part < P; ++part) {
          Walk<char>& pixel = out[i % kRows][part];
          to[part] = pixel.at;
          pixel.at += pixel.step;
        }
        V::storeParts(to, all[i], static_cast<int>(channels));
      }
    } else {
      LW_UNROLL for (int i = 0; i < N * kRows; ++i) {
        Finish::store(sums + (i % kRows * kWaiting + waiting + i / kRows) * kChannels,
                      y[i / kRows][i % kRows]);
      }
      waiting += N;
    }
  }

  // Vector j of the sums.
  template <int N>
  LW_INLINE void sumAndScale(int j, const Column& a, const Column& b, const Column& c,
                             const Column& d, Reg (&y)[N][kRows][4]) const {
    const float* const weights = header + 3 * kChannels + j * V::kWidth;
    const Reg scale = V::inRegister(V::load(header + j * V::kWidth));
    const Reg bias = V::inRegister(V::load(header + kChannels + j * V::kWidth));
    const auto start = V::inRegister(Dot::start(header + 2 * kChannels + j * V::kWidth));
    typename Dot::Acc acc[kRows][N];
    LW_UNROLL for (int i = 0; i < kRows * N; ++i) acc[i / N][i % N] = start;
    LW_UNROLL for (int set = 0; set < kSets; ++set) {
      LW_UNROLL for (int kx = 0; kx < 3; ++kx) {
        Words w = Dot::weights(weights + (3 * set + kx) * kChannels);
        if constexpr (__is_same(Words, Index)) w = V::inRegister(w);
        LW_UNROLL for (int r = set; r < kRows; r += kSets) {
          LW_UNROLL for (int n = 0; n < N; ++n) {
            const Column& x = n + kx == 0 ? a : n + kx == 1 ? b : n + kx == 2 ? c : d;
            acc[r][n] = Dot::dot(acc[r][n], x.words[r % S][j], w);
          }
        }
      }
    }
    LW_UNROLL for (int i = 0; i < kRows * N; ++i) {
      y[i % N][i / N][j] = V::exactFma(V::toFloat(acc[i / N][i % N]), scale, bias);
    }
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
        const bool exists = firstOut + r < unit.lastRow();
        work.out[r][i] = exists ? Walk<char>{unit.outAt(firstOut + r, 0, channel), p.out.pixel}
                                : Walk<char>{border + 64, 0};
      }
    }
    work.template walk<bytes>(unit, finish, y, channel);
  }

  template <bool bytes>
  LW_INLINE void walk(const DepthwiseUnit& unit, const Finish& finish, int64_t y, int64_t channel) {
    const int64_t outW = unit.plan.outW;
    int64_t x = 0;
    // Whether there are more than n more.
    const auto more = [&](int64_t n) __attribute__((always_inline)) {
      x += n;
      if constexpr (!bytes) {
        if (waiting + kTogether > kWaiting || x == outW) {
          finishWaiting(unit, finish, y, x, channel);
        }
      }
      return x < outW;
    };
    Column a, b, c, d;
    next(a);
    if constexpr (S == 2) {
      do {
        next(b);
        next(c);
        put<bytes, 1>(finish, a, b, c, c);
        if (!more(1)) break;
        next(b);
        next(a);
        put<bytes, 1>(finish, c, b, a, a);
      } while (more(1));
      return;
    }
    next(b);
    if (outW % 2) {
      next(c);
      put<bytes, 1>(finish, a, b, c, c);
      if (!more(1)) return;
      a = b;
      b = c;
    }
    do {
      next(c);
      next(d);
      put<bytes, 2>(finish, a, b, c, d);
      if (!more(2)) break;
      next(a);
      next(b);
      put<bytes, 2>(finish, c, d, a, b);
    } while (more(2));
  }

  // What comes after the scales for the results before x.
  void finishWaiting(const DepthwiseUnit& unit, const Finish& finish, int64_t y, int64_t x,
                     int64_t channel) {
    for (int r = 0; r < kRows * P && y + r < unit.lastRow(); ++r) {
      finish.finish(sums + r % kRows * kWaiting * kChannels + r / kRows * (kChannels / P),
                    unit.residualAt(y + r, x - waiting, channel),
                    unit.outAt(y + r, x - waiting, channel), waiting, channels);
    }
    waiting = 0;
  }
};

template <class Dot, int S>
void convDepthwiseRows(const DepthwiseUnit& unit, const TypedConvBuffers& io, float* sums,
                       char* border) {
  using V = typename Dot::Vector;
  constexpr int64_t kChannels = 4 * V::kWidth;
  const ConvPlan& p = unit.plan;
  const DepthwiseResults<V> finish(p);
  for (int64_t y = unit.firstRow; y < unit.lastRow(); y += 2) {
    for (int64_t block = unit.firstBlock; block < unit.lastBlock; ++block) {
      const int64_t channel = block * kChannels,
                    channels = smaller(p.shape.co - channel, kChannels);
      const float* header = static_cast<const float*>(io.packed) + block * p.blockRows * kChannels;
      const int64_t parts = depthwiseParts(V::kWidth, channels);
      if ((y - unit.firstRow) % (2 * parts)) continue;
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
