#pragma once

#include "backends/cpu/amx_conv.h"
#include "backends/cpu/kernels/amx_scratch.h"
#include "backends/cpu/kernels/byte_results.h"
#include "backends/cpu/kernels/convert.h"
#include "backends/cpu/kernels/table_silu.h"

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

// A block of channels, or two side by side, of neighbouring positions.
struct AmxRun {
  const AmxPlan* plan;
  const char* sums;
  const AmxConstants* constants;
  char* to;
  int64_t toPixel;
  const char* residual;
  int64_t residualPixel;
  int64_t rows, count;  // positions, channels of the block
};

// Functions of their own, not one: what they keep in registers would not fit. `pair` may be null.
struct AmxFinish {
  void (*pair)(const AmxRun& run);
  void (*whole)(const AmxRun& run);
  void (*part)(const AmxRun& run);
};

// The lower bound of a clip that has no upper one; NaN stays.
template <class V>
struct AtLeast {
  typename V::Reg least;
  LW_INLINE explicit AtLeast(const Epilogue& epilogue) : least(V::set1(epilogue.alpha)) {}
  LW_INLINE typename V::Reg operator()(typename V::Reg x) const { return V::max(least, x); }
};

// What accumulators hold: sums, bias included, of floats; sums of floats or of whole numbers that
// are yet to be scaled.
enum class AmxSums { kFinished, kFloats, kIntegers };

// How results become bytes.
enum class Narrowing {
  kClamped,  // scaled, clamped, rounded, moved by the zero point
  kScaled,   // scaled and moved in one, rounded; narrowing clamps them
  kPlain,    // rounded, likewise; a residual is of bytes
};

template <class V, AmxSums in, Element out, class Activate,
          Narrowing narrowing = Narrowing::kClamped>
struct AmxFinisher {
  using Reg = typename V::Reg;

  Activate activation;
  bool before, after;
  int64_t residualBytes;
  ResidualReader<V> residualAt;
  ResultWriter<V, out> write;
  Reg zero;

  LW_INLINE explicit AmxFinisher(const AmxPlan& p)
      : activation(p.epilogue),
        before(p.epilogue.residual == ResidualPlace::kBeforeActivation),
        after(p.epilogue.residual == ResidualPlace::kAfterActivation),
        residualBytes(elementBytes(p.conversion.residual)),
        residualAt(p.conversion),
        write(p.conversion),
        zero(V::set1(static_cast<float>(p.conversion.outputZero))) {}

  LW_INLINE Reg scaled(const char* sums, Reg scale, Reg bias) const {
    if constexpr (in == AmxSums::kIntegers) {
      return V::exactFma(V::toFloat(V::loadIndex(reinterpret_cast<const int*>(sums))), scale, bias);
    } else {
      const Reg sum = V::load(reinterpret_cast<const float*>(sums));
      return in == AmxSums::kFloats ? V::fma(sum, scale, bias) : sum;
    }
  }

  // The result of one position as float32.
  template <bool added>
  LW_INLINE Reg valueAt(const char* sums, Reg scale, Reg bias, const char* residual) const {
    Reg y = scaled(sums, scale, bias);
    if constexpr (!added) {
      return activation(y);
    } else if constexpr (narrowing == Narrowing::kPlain) {
      const auto r = V::loadBytes(reinterpret_cast<const uint8_t*>(residual));
      return V::exactFma(V::toFloat(r), residualAt.scale, y);
    } else {
      if (before) y = residualAt.addTo(y, residual, 0);
      y = activation(y);
      if (after) y = residualAt.addTo(y, residual, 0);
      return y;
    }
  }

  LW_INLINE Reg quanta(Reg y) const {
    return narrowing == Narrowing::kPlain ? y : V::exactFma(y, write.inverse, zero);
  }

  // What becomes a byte when it is clamped to [0, 255].
  template <bool added>
  LW_INLINE typename V::Index wordAt(const char* sums, Reg scale, Reg bias,
                                     const char* residual) const {
    const Reg y = valueAt<added>(sums, scale, bias, residual);
    return narrowing == Narrowing::kClamped ? write.quantized(y) : V::toInt(quanta(y));
  }

  // The first n results.
  LW_INLINE void put(char* to, Reg y, int64_t n) const {
    if constexpr (narrowing == Narrowing::kClamped) {
      write(to, 0, y, n);
    } else {
      const Reg q = V::min(V::max(quanta(y), V::zero()), V::set1(255.0f));
      V::storeBytes(reinterpret_cast<uint8_t*>(to), V::toInt(q), static_cast<int>(n));
    }
  }

  template <bool added>
  LW_INLINE void fourRows(AmxRun& r, Reg scale, Reg bias) const {
    for (; r.rows >= 4; r.rows -= 4) {
      typename V::Index q[4];
      LW_UNROLL for (int i = 0; i < 4; ++i) {
        q[i] = wordAt<added>(r.sums + i * kTileRowBytes, scale, bias,
                             r.residual + i * r.residualPixel);
      }
      char* const to[4] = {r.to, r.to + r.toPixel, r.to + 2 * r.toPixel, r.to + 3 * r.toPixel};
      V::storeParts(to, V::rowsOf(q[0], q[1], q[2], q[3]), 16);
      r.sums += 4 * kTileRowBytes;
      r.to += 4 * r.toPixel;
      r.residual += 4 * r.residualPixel;
    }
  }

  // Two whole blocks side by side.
  template <bool added>
  LW_INLINE void runPair(AmxRun r) const {
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
      for (; r.rows >= 2; advance(2)) {
        typename V::Index q[4];
        LW_UNROLL for (int i = 0; i < 4; ++i) {
          q[i] =
              wordAt<added>(sums(i / 2, i % 2), scale[i % 2], bias[i % 2], residual(i / 2, i % 2));
        }
        char* const to[2] = {r.to, r.to + r.toPixel};
        V::storeParts(to, V::rowsOf(q[0], q[1], q[2], q[3]), 32);
      }
    }
    for (; r.rows > 0; advance(1)) {
      const Reg first = valueAt<added>(sums(0, 0), scale[0], bias[0], residual(0, 0));
      const Reg second = valueAt<added>(sums(0, 1), scale[1], bias[1], residual(0, 1));
      if constexpr (out == Element::kBFloat16) {
        V::storeBFloat16Pair(reinterpret_cast<uint16_t*>(r.to), first, second);
      } else {
        put(r.to, first, 16);
        put(r.to + kNext, second, 16);
      }
    }
  }

  template <bool whole, bool added>
  LW_INLINE void run(AmxRun r) const {
    const Reg scale = V::load(r.constants->scale), bias = V::load(r.constants->bias);
    if constexpr (whole && out == Element::kUInt8) fourRows<added>(r, scale, bias);
    for (; r.rows > 0; --r.rows) {
      const Reg y = valueAt<added>(r.sums, scale, bias, r.residual);
      put(r.to, y, whole ? 16 : r.count);
      r.sums += kTileRowBytes;
      r.to += r.toPixel;
      r.residual += r.residualPixel;
    }
  }
};

template <class Finisher, bool added>
void finishPair(const AmxRun& run) {
  Finisher(*run.plan).template runPair<added>(run);
}
template <class Finisher, bool whole, bool added>
void finishBlock(const AmxRun& run) {
  Finisher(*run.plan).template run<whole, added>(run);
}

template <class Finisher, Element out>
AmxFinish finishWith(const AmxPlan& p) {
  const auto functions = [&]<bool added>() {
    AmxFinish f{nullptr, &finishBlock<Finisher, true, added>, &finishBlock<Finisher, false, added>};
    if constexpr (out != Element::kFloat32) f.pair = &finishPair<Finisher, added>;
    return f;
  };
  return p.epilogue.residual == ResidualPlace::kNone ? functions.template operator()<false>()
                                                     : functions.template operator()<true>();
}

// Up to `rows` positions of a job.
inline void finishRows(AmxJob& job, const AmxFinish& finish, int64_t rows) {
  const AmxPlan& p = *job.plan;
  const int64_t outBytes = elementBytes(p.conversion.output), outPixel = p.out.pixel * outBytes;
  const int64_t residualBytes = job.residual ? elementBytes(p.conversion.residual) : 0;
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
      for (int64_t n = 0; n < job.blocks;) {
        const int64_t count = job.channels - n * 16;
        const AmxRun block{&p,
                           row + n * kAccumulatorBytes,
                           job.constants + n,
                           job.out + n * 16 * outBytes,
                           outPixel,
                           job.residual + n * 16 * residualBytes,
                           residualPixel,
                           run,
                           smaller(count, 16)};
        const bool pair = finish.pair && count >= 32;
        (pair ? finish.pair : count >= 16 ? finish.whole : finish.part)(block);
        n += pair ? 2 : 1;
      }
    }
    rows -= run;
    job.position += run;
    job.x += run;
    job.out += run * outPixel;
    job.residual += run * residualPixel;
    if (job.x == p.rowPositions) {
      job.x = 0;
      job.out += p.out.row * outBytes - p.rowPositions * outPixel;
      job.residual += p.residual.row * residualBytes - p.rowPositions * residualPixel;
    }
  }
}

template <class V, AmxSums in, Element out>
AmxFinish finishOf(const AmxPlan& p) {
  const Epilogue& epilogue = p.epilogue;
  if constexpr (out == Element::kUInt8) {
    const bool bytesAdded =
        epilogue.residual == ResidualPlace::kNone || p.conversion.residual == Element::kUInt8;
    if (isClip(epilogue) && isFolded(p.conversion) && bytesAdded &&
        byteResults(epilogue, p.conversion, nullptr, nullptr).saturates) {
      using Nothing = ActivationFunction<V, Activation::kNone>;
      return finishWith<AmxFinisher<V, in, out, Nothing, Narrowing::kPlain>, out>(p);
    }
    if (epilogue.activation == Activation::kSilu && bytesAdded && p.conversion.fitsInteger) {
      return finishWith<AmxFinisher<V, in, out, ReducedSilu<V, out>, Narrowing::kScaled>, out>(p);
    }
  } else if (epilogue.activation == Activation::kClip && epilogue.beta == __builtin_inff()) {
    return finishWith<AmxFinisher<V, in, out, AtLeast<V>>, out>(p);
  }
  if constexpr (out == Element::kBFloat16) {
    if (epilogue.activation == Activation::kSilu) {
      return finishWith<AmxFinisher<V, in, out, TableSilu<V>>, out>(p);
    }
  }
  switch (epilogue.activation) {
#define LW_ACTIVATION(kind) \
  case Activation::kind:    \
    return finishWith<AmxFinisher<V, in, out, ActivationFunction<V, Activation::kind>>, out>(p);
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
  return {};
}

}  // namespace
}  // namespace layerwise::cpu
