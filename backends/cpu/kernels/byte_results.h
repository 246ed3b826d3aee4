#pragma once

#include "backends/cpu/conv.h"
#include "backends/cpu/kernels/finish.h"

namespace layerwise::cpu {
namespace {

// How sums become bytes where their constants are folded: rint(clamp(y)), y being
// fma(sum, scale, bias), or fma(residual, residualScale, that).
struct ByteResults {
  const float *scale, *bias;  // of the block's channels
  float low, high;
  float residualScale;
  bool saturates;  // narrowing to bytes is all the clamping there is
};

// Whether bytes are what is rounded, and no zero points are in the way.
LW_INLINE bool isFolded(const Conversion& c) {
  return c.output == Element::kUInt8 && c.outputInverse == 1 && c.outputZero == 0 &&
         c.residualZero == 0;
}

// Whether results need nothing but a scale, a residual of bytes and clamps between the registers
// and their place.
LW_INLINE bool storesBytes(const ConvPlan& p) {
  const bool fits = p.epilogue.residual == ResidualPlace::kNone ||
                    (p.epilogue.residual == ResidualPlace::kBeforeActivation &&
                     p.conversion.residual == Element::kUInt8);
  return p.config.element == Element::kUInt8 && isFolded(p.conversion) && p.out.channel == 1 &&
         isClip(p.epilogue) && fits;
}

LW_INLINE ByteResults byteResults(const Epilogue& epilogue, const Conversion& conversion,
                                  const float* scale, const float* bias) {
  const float least = clipLow(epilogue), most = clipHigh(epilogue);
  ByteResults r{scale, bias, 0, 255, conversion.residualScale, false};
  if (least > 0) r.low = least < 255 ? least : 255;
  if (most < 255) r.high = most > 0 ? most : 0;
  if (r.low > r.high) r.low = r.high;
  // These round to 0 and to 255.
  r.saturates = conversion.fitsInteger && r.low <= 0.5f && r.high > 254.5f;
  return r;
}

// The same where every result fits an integer: sums become words, and words of several vectors
// bytes.
LW_INLINE bool packsBytes(const ConvPlan& p) {
  return storesBytes(p) && p.conversion.fitsInteger;
}

template <class V>
struct BytePacker {
  using Reg = typename V::Reg;
  using Index = typename V::Index;
  Reg residualScale;
  // Of the bytes: rounding keeps the order of numbers, so that clamps may follow it.
  Index low, high;
  bool clamps;  // to less than all bytes

  LW_INLINE explicit BytePacker(const ByteResults& r)
      : residualScale(V::set1(r.residualScale)),
        low(allBytes(r.low)),
        high(allBytes(r.high)),
        clamps(!r.saturates) {}
  static LW_INLINE Index allBytes(float x) {
    const Index words = V::toInt(V::set1(x)), shorts = V::packWords(words, words);
    return V::packShorts(shorts, shorts);
  }

  template <bool withResidual>
  LW_INLINE Index word(Index sums, Reg scale, Reg bias, const char* residual) const {
    Reg x = V::exactFma(V::toFloat(sums), scale, bias);
    if constexpr (withResidual) {
      const Index r = V::loadBytes(reinterpret_cast<const uint8_t*>(residual));
      x = V::exactFma(V::toFloat(r), residualScale, x);
    }
    return V::toInt(x);
  }
  template <int count>
  LW_INLINE void clamp(Index (&bytes)[count]) const {
    if (!clamps) return;
    LW_UNROLL for (int i = 0; i < count; ++i) bytes[i] = V::clampBytes(bytes[i], low, high);
  }
};

template <class V>
struct ByteWriter {
  using Reg = typename V::Reg;
  Reg low, high, residualScale;

  LW_INLINE explicit ByteWriter(const ByteResults& r)
      : low(V::set1(r.low)), high(V::set1(r.high)), residualScale(V::set1(r.residualScale)) {}

  // The first `lanes` sums.
  LW_INLINE void operator()(uint8_t* to, typename V::Index sums, Reg scale, Reg bias,
                            int lanes) const {
    write(to, V::exactFma(V::toFloat(sums), scale, bias), lanes);
  }
  LW_INLINE void operator()(uint8_t* to, typename V::Index sums, Reg scale, Reg bias, int lanes,
                            const uint8_t* residual) const {
    const Reg x = V::exactFma(V::toFloat(sums), scale, bias);
    write(to, V::exactFma(V::toFloat(V::loadBytes(residual)), residualScale, x), lanes);
  }

 private:
  // Clamped before it is rounded, so that it fits an integer.
  LW_INLINE void write(uint8_t* to, Reg x, int lanes) const {
    V::storeBytes(to, V::toInt(V::min(V::max(x, low), high)), lanes);
  }
};

}  // namespace
}  // namespace layerwise::cpu
