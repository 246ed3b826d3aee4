#pragma once

#include "backends/cpu/conv.h"
#include "backends/cpu/kernels/finish.h"

namespace layerwise::cpu {
namespace {

// How sums become bytes: rint(clamp(
//   (fma(sum, scale, bias) + (residual - residualZero) * residualScale) * inverse)) + zero.
struct ByteResults {
  const float *scale, *bias;  // of the block's channels
  float inverse, low, high;
  int zero;
  float residualScale;
  int residualZero;
};

// Whether results need nothing but a scale, a residual of bytes and clamps between the registers
// and their place.
LW_INLINE bool storesBytes(const ConvPlan& p) {
  const bool fits = p.epilogue.residual == ResidualPlace::kNone ||
                    (p.epilogue.residual == ResidualPlace::kBeforeActivation &&
                     p.conversion.residual == Element::kUInt8);
  return p.config.element == Element::kUInt8 && p.conversion.output == Element::kUInt8 &&
         p.out.channel == 1 && isClip(p.epilogue) && fits;
}

// The activation's bounds are scaled too: multiplying by a positive number and rounding keep order.
LW_INLINE ByteResults byteResults(const ConvPlan& p, const float* scale, const float* bias) {
  const Conversion& c = p.conversion;
  const float low = static_cast<float>(-c.outputZero),
              high = static_cast<float>(255 - c.outputZero);
  const float least = clipLow(p.epilogue) * c.outputInverse;
  const float most = clipHigh(p.epilogue) * c.outputInverse;
  ByteResults r{scale, bias,         c.outputInverse, low,
                high,  c.outputZero, c.residualScale, c.residualZero};
  if (least > low) r.low = least < high ? least : high;
  if (most < high) r.high = most > low ? most : low;
  if (r.low > r.high) r.low = r.high;
  return r;
}

template <class V>
struct ByteWriter {
  using Reg = typename V::Reg;
  Reg inverse, low, high, residualScale;
  typename V::Index zero, minusResidualZero;

  LW_INLINE explicit ByteWriter(const ByteResults& r)
      : inverse(V::set1(r.inverse)),
        low(V::set1(r.low)),
        high(V::set1(r.high)),
        residualScale(V::set1(r.residualScale)),
        zero(V::setIndex(r.zero)),
        minusResidualZero(V::setIndex(-r.residualZero)) {}

  // The first `lanes` sums.
  LW_INLINE void operator()(uint8_t* to, typename V::Index sums, Reg scale, Reg bias,
                            int lanes) const {
    write(to, V::exactFma(V::toFloat(sums), scale, bias), lanes);
  }
  LW_INLINE void operator()(uint8_t* to, typename V::Index sums, Reg scale, Reg bias, int lanes,
                            const uint8_t* residual) const {
    const auto q = V::addIndex(V::loadBytes(residual), minusResidualZero);
    const Reg x = V::exactFma(V::toFloat(sums), scale, bias);
    write(to, V::add(x, V::mul(V::toFloat(q), residualScale)), lanes);
  }

 private:
  LW_INLINE void write(uint8_t* to, Reg x, int lanes) const {
    const auto q = V::toInt(V::min(V::max(V::mul(x, inverse), low), high));
    V::storeBytes(to, V::addIndex(q, zero), lanes);
  }
};

}  // namespace
}  // namespace layerwise::cpu
