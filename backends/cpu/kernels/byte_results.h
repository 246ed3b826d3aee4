#pragma once

#include "backends/cpu/conv.h"
#include "backends/cpu/kernels/finish.h"

namespace layerwise::cpu {
namespace {

// How sums become bytes: rint(clamp(fma(sum, scale, bias) * inverse)) + zero.
struct ByteResults {
  const float *scale, *bias;  // of the block's channels
  float inverse, low, high;
  int zero;
};

// Whether results need nothing but a scale and clamps between the registers and their place.
LW_INLINE bool storesBytes(const ConvPlan& p) {
  return p.config.element == Element::kUInt8 && p.conversion.output == Element::kUInt8 &&
         p.out.channel == 1 && isClip(p.epilogue) && p.epilogue.residual == ResidualPlace::kNone;
}

// The activation's bounds are scaled too: multiplying by a positive number and rounding keep order.
LW_INLINE ByteResults byteResults(const ConvPlan& p, const float* scale, const float* bias) {
  const Conversion& c = p.conversion;
  const float low = static_cast<float>(-c.outputZero),
              high = static_cast<float>(255 - c.outputZero);
  const float least = clipLow(p.epilogue) * c.outputInverse;
  const float most = clipHigh(p.epilogue) * c.outputInverse;
  ByteResults r{scale, bias, c.outputInverse, low, high, c.outputZero};
  if (least > low) r.low = least < high ? least : high;
  if (most < high) r.high = most > low ? most : low;
  if (r.low > r.high) r.low = r.high;
  return r;
}

template <class V>
struct ByteWriter {
  using Reg = typename V::Reg;
  Reg inverse, low, high;
  typename V::Index zero;

  LW_INLINE explicit ByteWriter(const ByteResults& r)
      : inverse(V::set1(r.inverse)),
        low(V::set1(r.low)),
        high(V::set1(r.high)),
        zero(V::setIndex(r.zero)) {}

  // The first `lanes` sums.
  LW_INLINE void operator()(uint8_t* to, typename V::Index sums, Reg scale, Reg bias,
                            int lanes) const {
    const Reg x = V::exactFma(V::toFloat(sums), scale, bias);
    const auto q = V::toInt(V::min(V::max(V::mul(x, inverse), low), high));
    V::storeBytes(to, V::addIndex(q, zero), lanes);
  }
};

}  // namespace
}  // namespace layerwise::cpu
