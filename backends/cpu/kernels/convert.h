#pragma once

#include "backends/cpu/conv_geometry.h"
#include "backends/cpu/kernels/finish.h"

namespace layerwise::cpu {
namespace {

// Reads a residual as float32, or adds it.
template <class V>
struct ResidualReader {
  using Reg = typename V::Reg;
  Element element;
  typename V::Index minusZero;
  Reg scale;

  LW_INLINE explicit ResidualReader(const Conversion& c)
      : element(c.residual),
        minusZero(V::setIndex(-c.residualZero)),
        scale(V::set1(c.residualScale)) {}

  LW_INLINE Reg operator()(const char* p, int64_t i) const {
    if (element == Element::kUInt8) {
      const auto q = V::loadBytes(reinterpret_cast<const uint8_t*>(p) + i);
      return V::mul(V::toFloat(V::addIndex(q, minusZero)), scale);
    }
    if (element == Element::kBFloat16) {
      return V::loadBFloat16(reinterpret_cast<const uint16_t*>(p) + i);
    }
    return V::load(reinterpret_cast<const float*>(p) + i);
  }

  LW_INLINE Reg addTo(Reg x, const char* p, int64_t i) const {
    if (element == Element::kUInt8) {
      const auto q = V::loadBytes(reinterpret_cast<const uint8_t*>(p) + i);
      return V::exactFma(V::toFloat(V::addIndex(q, minusZero)), scale, x);
    }
    if (element == Element::kBFloat16) return V::add(x, (*this)(p, i));
    return V::exactFma((*this)(p, i), scale, x);
  }
};

// Writes float32 as the output's element.
template <class V, Element element>
struct ResultWriter {
  using Reg = typename V::Reg;
  Reg inverse, low, high;
  typename V::Index zero;

  LW_INLINE explicit ResultWriter(const Conversion& c)
      : inverse(V::set1(c.outputInverse)),
        low(V::set1(static_cast<float>(-c.outputZero))),
        high(V::set1(static_cast<float>(255 - c.outputZero))),
        zero(V::setIndex(c.outputZero)) {}

  // Clamped before it is rounded, so that it fits an integer; NaN becomes the least.
  LW_INLINE typename V::Index quantized(Reg x) const {
    return V::addIndex(V::toInt(V::min(V::max(V::mul(x, inverse), low), high)), zero);
  }
  LW_INLINE void operator()(char* p, int64_t i, Reg x, int64_t lanes) const {
    const int n = static_cast<int>(smaller(lanes, V::kWidth));
    if constexpr (element == Element::kUInt8) {
      V::storeBytes(reinterpret_cast<uint8_t*>(p) + i, quantized(x), n);
    } else if constexpr (element == Element::kBFloat16) {
      V::storeBFloat16(reinterpret_cast<uint16_t*>(p) + i, x, n);
    } else {
      storeUpTo<V>(reinterpret_cast<float*>(p) + i, x, lanes);
    }
  }
};

// A run of accumulators on their way to memory; strides of residual and out in bytes.
struct Results {
  const float* sums;
  int64_t sumPixel;
  const float* scale;  // of bytes: of the channels
  const float* bias;   // likewise
  const char* residual;
  int64_t residualPixel;
  char* out;
  int64_t outPixel;
  int64_t pixels, channels;
};

template <class V, Element in, Element out>
void writeResults(const Epilogue& epilogue, const Conversion& conversion, Results r) {
  const bool before = epilogue.residual == ResidualPlace::kBeforeActivation;
  const ResultWriter<V, out> write(conversion);
  const ResidualReader<V> residual(conversion);
  const auto rows = [&](const auto& activation) {
    for (int64_t p = 0; p < r.pixels; ++p) {
      for (int64_t i = 0; i < r.channels; i += V::kWidth) {
        typename V::Reg x;
        if constexpr (in == Element::kUInt8) {
          const auto sum = V::loadIndex(reinterpret_cast<const int*>(r.sums + i));
          x = V::exactFma(V::toFloat(sum), V::load(r.scale + i), V::load(r.bias + i));
        } else {
          x = V::load(r.sums + i);
        }
        if (r.residual && before) x = residual.addTo(x, r.residual, i);
        x = activation(x);
        if (r.residual && !before) x = residual.addTo(x, r.residual, i);
        write(r.out, i, x, r.channels - i);
      }
      r.sums += r.sumPixel;
      if (r.residual) r.residual += r.residualPixel;
      r.out += r.outPixel;
    }
  };
  if constexpr (out != Element::kFloat32) {
    if (epilogue.activation == Activation::kSilu) return rows(ReducedSilu<V, out>(epilogue));
  }
  withActivation<V>(epilogue, rows);
}

// Every result of a reduced type is in that type or float32.
template <class V, Element in>
LW_INLINE void convertResults(const Epilogue& epilogue, const Conversion& conversion,
                              const Results& r) {
  if (conversion.output == Element::kFloat32) {
    writeResults<V, in, Element::kFloat32>(epilogue, conversion, r);
  } else {
    writeResults<V, in, in>(epilogue, conversion, r);
  }
}

// Copies `pixels` rows of `channels` elements to where channels lie apart; cPixel in bytes.
template <class T>
void scatterElements(const char* c, int64_t cPixel, T* out, const View& view, int64_t pixels,
                     int64_t channels) {
  for (int64_t i = 0; i < channels; ++i) {
    for (int64_t p = 0; p < pixels; ++p) {
      out[i * view.channel + p * view.pixel] = reinterpret_cast<const T*>(c + p * cPixel)[i];
    }
  }
}

// One row of output pixels, scattered where the output's channels lie apart: `sums` is overwritten
// then.
template <class V, Element in>
void writeReducedRow(const ConvPlan& p, float* sums, int64_t sumPixel, const float* scale,
                     const float* bias, const char* residual, char* out, int64_t pixels,
                     int64_t channels) {
  const bool scatter = p.out.channel != 1;
  Results r{sums,
            sumPixel,
            scale,
            bias,
            residual,
            p.residual.pixel * elementBytes(p.conversion.residual),
            scatter ? reinterpret_cast<char*>(sums) : out,
            scatter ? sumPixel * 4 : p.out.pixel * elementBytes(p.conversion.output),
            pixels,
            channels};
  convertResults<V, in>(p.epilogue, p.conversion, r);
  if (!scatter) return;
  const char* written = reinterpret_cast<const char*>(sums);
  if (p.conversion.output == Element::kFloat32) {
    scatterPixels<V>(sums, sumPixel, reinterpret_cast<float*>(out), p.out.pixel, p.out.channel,
                     pixels, channels);
  } else if (p.conversion.output == Element::kBFloat16) {
    scatterElements(written, sumPixel * 4, reinterpret_cast<uint16_t*>(out), p.out, pixels,
                    channels);
  } else {
    scatterElements(written, sumPixel * 4, reinterpret_cast<uint8_t*>(out), p.out, pixels,
                    channels);
  }
}

}  // namespace
}  // namespace layerwise::cpu
