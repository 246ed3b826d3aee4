#pragma once

#include "backends/cpu/amx_conv.h"
#include "backends/cpu/kernels/amx_scratch.h"
#include "backends/cpu/kernels/byte_results.h"
#include "backends/cpu/kernels/convert.h"

namespace layerwise::cpu {
namespace {

// A number that is known at compile time, as an argument.
template <int I>
struct Number {
  static constexpr int value = I;
};

// A block of accumulators on its way to the output: a few rows of it at a time, between the
// products of the next block, which leave the vector units idle.
struct AmxJob {
  const AmxPlan* plan;
  const char* accumulators;       // tiles [m][n]
  const AmxConstants* constants;  // of the first of `blocks`
  int64_t blocks, channels;
  int64_t position, end;  // the next and the one past the last
  int64_t tileStart[4];   // the position of each tile's first row
  int64_t firstPosition;  // of the block: tile m has those from 16 m on
  int64_t x;              // column of `position`
  char* out;              // its first channel
  const char* residual;   // likewise, or null
};

// The lower bound of a clip that has no upper one; NaN stays.
template <class V>
struct AtLeast {
  typename V::Reg least;
  LW_INLINE explicit AtLeast(const Epilogue& epilogue) : least(V::set1(epilogue.alpha)) {}
  LW_INLINE typename V::Reg operator()(typename V::Reg x) const { return V::max(least, x); }
};

template <class V, Element in, Element out, Activation kind,
          class Activate = ActivationFunction<V, kind>>
struct AmxFinisher {
  using Reg = typename V::Reg;

  Activate activation;
  bool before, after;
  bool plain = false;  // bytes: no activation, nothing but narrowing clamps
  int64_t residualBytes;
  ResidualReader<V> residualAt;
  ResultWriter<V, out> write;

  LW_INLINE explicit AmxFinisher(const AmxPlan& p)
      : activation(p.epilogue),
        before(p.epilogue.residual == ResidualPlace::kBeforeActivation),
        after(p.epilogue.residual == ResidualPlace::kAfterActivation),
        residualBytes(elementBytes(p.conversion.residual)),
        residualAt(p.conversion),
        write(p.conversion) {
    if constexpr (out == Element::kUInt8) {
      plain = isClip(p.epilogue) && isFolded(p.conversion) &&
              (!before || p.conversion.residual == Element::kUInt8) &&
              byteResults(p.epilogue, p.conversion, nullptr, nullptr).saturates;
    }
  }

  // A block of channels of neighbouring positions.
  struct Run {
    const char* sums;
    const AmxConstants* constants;
    char* to;
    int64_t toPixel;
    const char* residual;
    int64_t residualPixel;
    int64_t rows, count;
  };

  LW_INLINE Reg scaled(const char* sums, Reg scale, Reg bias) const {
    if constexpr (in == Element::kUInt8) {
      return V::exactFma(V::toFloat(V::loadIndex(reinterpret_cast<const int*>(sums))), scale, bias);
    } else {
      return V::load(reinterpret_cast<const float*>(sums));
    }
  }

  // The result of one position as float32.
  template <bool added>
  LW_INLINE Reg valueAt(const char* sums, Reg scale, Reg bias, const char* residual) const {
    Reg y = scaled(sums, scale, bias);
    if constexpr (added) {
      if (before) y = residualAt.addTo(y, residual, 0);
      y = activation(y);
      if (after) y = residualAt.addTo(y, residual, 0);
      return y;
    } else {
      return activation(y);
    }
  }

  // What becomes a byte when it is clamped to [0, 255].
  template <bool added, bool isPlain>
  LW_INLINE typename V::Index wordAt(const char* sums, Reg scale, Reg bias,
                                     const char* residual) const {
    if constexpr (isPlain) {
      Reg y = scaled(sums, scale, bias);
      if constexpr (added) {
        const auto r = V::loadBytes(reinterpret_cast<const uint8_t*>(residual));
        y = V::exactFma(V::toFloat(r), residualAt.scale, y);
      }
      return V::toInt(y);
    } else {
      return write.quantized(valueAt<added>(sums, scale, bias, residual));
    }
  }

  template <bool added, bool isPlain>
  LW_INLINE void fourRows(Run& r, Reg scale, Reg bias) const {
    for (; r.rows >= 4; r.rows -= 4) {
      typename V::Index q[4];
      LW_UNROLL for (int i = 0; i < 4; ++i) {
        q[i] = wordAt<added, isPlain>(r.sums + i * kTileRowBytes, scale, bias,
                                      r.residual + i * r.residualPixel);
      }
      V::storeFourRows(reinterpret_cast<uint8_t*>(r.to), r.toPixel, q[0], q[1], q[2], q[3]);
      r.sums += 4 * kTileRowBytes;
      r.to += 4 * r.toPixel;
      r.residual += 4 * r.residualPixel;
    }
  }

  // Two whole blocks side by side.
  template <bool added>
  LW_INLINE void runPair(Run r) const {
    const Reg scale[2] = {V::load(r.constants[0].scale), V::load(r.constants[1].scale)};
    const Reg bias[2] = {V::load(r.constants[0].bias), V::load(r.constants[1].bias)};
    constexpr int64_t kNext = 16 * elementBytes(out);
    const int64_t residualNext = 16 * residualBytes;
    const auto sums = [&](int64_t row, int block) __attribute__((always_inline)) {
      return r.sums + row * kTileRowBytes + block * kAccumulatorBytes;
    };
    const auto residual = [&](int64_t row, int block) __attribute__((always_inline)) {
      return added ? r.residual + row * r.residualPixel + block * residualNext : nullptr;
    };
    const auto advance = [&](int64_t rows) __attribute__((always_inline)) {
      r.rows -= rows;
      r.sums += rows * kTileRowBytes;
      r.to += rows * r.toPixel;
      r.residual += rows * r.residualPixel;
    };
    if constexpr (out == Element::kUInt8) {
      const auto twoRows = [&](auto isPlain) __attribute__((always_inline)) {
        for (; r.rows >= 2; advance(2)) {
          typename V::Index q[4];
          LW_UNROLL for (int i = 0; i < 4; ++i) {
            q[i] = wordAt<added, isPlain.value>(sums(i / 2, i % 2), scale[i % 2], bias[i % 2],
                                                residual(i / 2, i % 2));
          }
          V::storeTwoRows(reinterpret_cast<uint8_t*>(r.to), r.toPixel, q[0], q[1], q[2], q[3]);
        }
      };
      if (plain) {
        twoRows(Number<1>());
      } else {
        twoRows(Number<0>());
      }
    }
    for (; r.rows > 0; advance(1)) {
      const Reg first = valueAt<added>(sums(0, 0), scale[0], bias[0], residual(0, 0));
      const Reg second = valueAt<added>(sums(0, 1), scale[1], bias[1], residual(0, 1));
      if constexpr (out == Element::kBFloat16) {
        V::storeBFloat16Pair(reinterpret_cast<uint16_t*>(r.to), first, second);
      } else {
        write(r.to, 0, first, 16);
        write(r.to + kNext, 0, second, 16);
      }
    }
  }

  template <bool whole, bool added>
  LW_INLINE void run(Run r) const {
    const Reg scale = V::load(r.constants->scale), bias = V::load(r.constants->bias);
    if constexpr (whole && out == Element::kUInt8) {
      if (plain) {
        fourRows<added, true>(r, scale, bias);
      } else {
        fourRows<added, false>(r, scale, bias);
      }
    }
    for (; r.rows > 0; --r.rows) {
      const Reg y = valueAt<added>(r.sums, scale, bias, r.residual);
      write(r.to, 0, y, whole ? 16 : r.count);
      r.sums += kTileRowBytes;
      r.to += r.toPixel;
      r.residual += r.residualPixel;
    }
  }
};

template <bool added, class Finisher>
LW_INLINE void finishBlocks(const Finisher& finisher, const typename Finisher::Run& block,
                            bool pair) {
  if (pair) {
    finisher.template runPair<added>(block);
  } else if (block.count == 16) {
    finisher.template run<true, added>(block);
  } else {
    finisher.template run<false, added>(block);
  }
}

// Up to `rows` positions of a job.
template <class Finisher, Element out>
void finishRows(AmxJob& job, int64_t rows) {
  const AmxPlan& p = *job.plan;
  const Finisher finisher(p);
  const int64_t outBytes = elementBytes(out), outPixel = p.out.pixel * outBytes;
  const int64_t residualBytes = finisher.residualBytes;
  const int64_t residualPixel = job.residual ? p.residual.pixel * residualBytes : 0;
  while (rows > 0 && job.position < job.end) {
    const int64_t m = (job.position - job.firstPosition) / kTileRows;
    const int64_t tileEnd = job.firstPosition + (m + 1) * kTileRows;
    const int64_t runEnd = (job.x < p.outW ? p.outW : p.rowPositions) - job.x + job.position;
    const int64_t run =
        smaller(smaller(rows, smaller(job.end, runEnd) - job.position), tileEnd - job.position);
    if (job.x < p.outW) {
      const char* row = job.accumulators + m * job.blocks * kAccumulatorBytes +
                        (job.position - job.tileStart[m]) * kTileRowBytes;
      for (int64_t n = 0; n < job.blocks;) {
        const int64_t count = job.channels - n * 16;
        const typename Finisher::Run block{
            row + n * kAccumulatorBytes,
            job.constants + n,
            job.out + n * 16 * outBytes,
            outPixel,
            job.residual ? job.residual + n * 16 * residualBytes : nullptr,
            residualPixel,
            run,
            smaller(count, 16)};
        const bool pair = count >= 32 && out != Element::kFloat32;
        if (job.residual) {
          finishBlocks<true>(finisher, block, pair);
        } else {
          finishBlocks<false>(finisher, block, pair);
        }
        n += pair ? 2 : 1;
      }
    }
    rows -= run;
    job.position += run;
    job.x += run;
    job.out += run * outPixel;
    if (job.residual) job.residual += run * residualPixel;
    if (job.x == p.rowPositions) {
      job.x = 0;
      job.out += p.out.row * outBytes - p.rowPositions * outPixel;
      if (job.residual) {
        job.residual += p.residual.row * residualBytes - p.rowPositions * residualPixel;
      }
    }
  }
}

using AmxFinish = void (*)(AmxJob& job, int64_t rows);

template <class V, Element in, Element out>
AmxFinish finishOf(const Epilogue& epilogue) {
  if constexpr (out != Element::kUInt8) {
    if (epilogue.activation == Activation::kClip && epilogue.beta == __builtin_inff()) {
      return &finishRows<AmxFinisher<V, in, out, Activation::kClip, AtLeast<V>>, out>;
    }
  }
  switch (epilogue.activation) {
#define LW_ACTIVATION(kind) \
  case Activation::kind:    \
    return &finishRows<AmxFinisher<V, in, out, Activation::kind>, out>;
    LW_ACTIVATION(kNone)
    LW_ACTIVATION(kClip)
    LW_ACTIVATION(kLeaky)
    LW_ACTIVATION(kSigmoid)
    LW_ACTIVATION(kSilu)
    LW_ACTIVATION(kHardSigmoid)
    LW_ACTIVATION(kHardSwish)
    LW_ACTIVATION(kMish)
    LW_ACTIVATION(kTanh)
    LW_ACTIVATION(kElu)
    LW_ACTIVATION(kGelu)
    LW_ACTIVATION(kExp)
    LW_ACTIVATION(kSoftplus)
#undef LW_ACTIVATION
  }
  return nullptr;
}

}  // namespace
}  // namespace layerwise::cpu
