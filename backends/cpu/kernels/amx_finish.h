#pragma once

#include "backends/cpu/amx_conv.h"
#include "backends/cpu/kernels/amx_scratch.h"
#include "backends/cpu/kernels/convert.h"

namespace layerwise::cpu {
namespace {

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

// Quantised, clip(y) / scale is clip(y / scale) with bounds of its own, because rounding is
// monotone: the activation and the range of bytes are one pair of bounds.
template <class V, Element in, Element out, Activation kind>
struct AmxFinisher {
  using Reg = typename V::Reg;
  static constexpr bool kFolded = out == Element::kUInt8 && kind == Activation::kClip;

  ActivationFunction<V, kind> activation;
  bool before, after;
  ResidualReader<V> residualAt;
  ResultWriter<V, out> write;

  LW_INLINE explicit AmxFinisher(const AmxPlan& p)
      : activation(p.epilogue),
        before(p.epilogue.residual == ResidualPlace::kBeforeActivation),
        after(p.epilogue.residual == ResidualPlace::kAfterActivation),
        residualAt(p.conversion),
        write(p.conversion) {
    if constexpr (kFolded) {
      if (after) return;
      const auto bound = [&](Reg x) {
        return V::min(V::max(V::mul(x, write.inverse), write.low), write.high);
      };
      const Reg low = bound(activation.alpha), high = bound(activation.beta);
      write.low = low;
      write.high = high;
    }
  }

  // One block of channels of neighbouring positions.
  template <bool whole, bool added>
  LW_INLINE void run(const char* row, int64_t rows, const AmxConstants& constants, char* to,
                     int64_t toPixel, const char* residual, int64_t residualPixel,
                     int64_t count) const {
    const Reg scale = V::load(constants.scale), bias = V::load(constants.bias);
    for (; rows > 0; --rows, row += kTileRowBytes, to += toPixel) {
      Reg y;
      if constexpr (in == Element::kUInt8) {
        y = V::exactFma(V::toFloat(V::loadIndex(reinterpret_cast<const int*>(row))), scale, bias);
      } else {
        y = V::load(reinterpret_cast<const float*>(row));
      }
      if constexpr (added) {
        const Reg r = residualAt(residual, 0);
        residual += residualPixel;
        if (before) y = V::add(y, r);
        if (!kFolded || after) y = activation(y);
        if (after) y = V::add(y, r);
      } else if constexpr (!kFolded) {
        y = activation(y);
      }
      write(to, 0, y, whole ? 16 : count);
    }
  }
};

// Up to `rows` positions of a job.
template <class V, Element in, Element out, Activation kind>
void finishRows(AmxJob& job, int64_t rows) {
  const AmxPlan& p = *job.plan;
  const AmxFinisher<V, in, out, kind> finisher(p);
  const int64_t outBytes = elementBytes(out), outPixel = p.out.pixel * outBytes;
  const int64_t residualBytes = elementBytes(p.conversion.residual);
  const int64_t residualPixel = p.residual.pixel * residualBytes;
  while (rows > 0 && job.position < job.end) {
    const int64_t m = (job.position - job.firstPosition) / kTileRows;
    const int64_t tileEnd = job.firstPosition + (m + 1) * kTileRows;
    const int64_t runEnd = (job.x < p.outW ? p.outW : p.rowPositions) - job.x + job.position;
    const int64_t run =
        smaller(smaller(rows, smaller(job.end, runEnd) - job.position), tileEnd - job.position);
    if (job.x < p.outW) {
      const char* row = job.accumulators + m * job.blocks * kAccumulatorBytes +
                        (job.position - job.tileStart[m]) * kTileRowBytes;
      for (int64_t n = 0; n < job.blocks; ++n, row += kAccumulatorBytes) {
        const int64_t count = smaller(job.channels - n * 16, 16);
        char* const to = job.out + n * 16 * outBytes;
        const AmxConstants& constants = job.constants[n];
        if (job.residual) {
          const char* residual = job.residual + n * 16 * residualBytes;
          if (count == 16) {
            finisher.template run<true, true>(row, run, constants, to, outPixel, residual,
                                              residualPixel, count);
          } else {
            finisher.template run<false, true>(row, run, constants, to, outPixel, residual,
                                               residualPixel, count);
          }
        } else if (count == 16) {
          finisher.template run<true, false>(row, run, constants, to, outPixel, nullptr, 0, count);
        } else {
          finisher.template run<false, false>(row, run, constants, to, outPixel, nullptr, 0, count);
        }
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
AmxFinish finishOf(Activation activation) {
  switch (activation) {
#define LW_ACTIVATION(kind) \
  case Activation::kind:    \
    return &finishRows<V, in, out, Activation::kind>;
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
