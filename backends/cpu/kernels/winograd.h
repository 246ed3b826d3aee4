#pragma once

#include "backends/cpu/kernels/winograd_unit.h"
#include "backends/shared/winograd_matrices.h"

namespace layerwise::cpu {
namespace {

// The transforms of F(m, 3) that belong to winograd_matrices.h: B^T of the input and A^T of the
// output.
template <class V, int m>
struct WinogradTransform;

template <class V>
struct WinogradTransform<V, 2> {
  using Reg = typename V::Reg;
  static LW_INLINE void input(const Reg (&d)[4], Reg (&t)[4]) {
    t[0] = V::sub(d[0], d[2]);
    t[1] = V::add(d[1], d[2]);
    t[2] = V::sub(d[2], d[1]);
    t[3] = V::sub(d[3], d[1]);
  }
  static LW_INLINE void output(const Reg (&t)[4], Reg (&y)[2]) {
    y[0] = V::add(V::add(t[0], t[1]), t[2]);
    y[1] = V::add(V::sub(t[1], t[2]), t[3]);
  }
};

template <class V>
struct WinogradTransform<V, 4> {
  using Reg = typename V::Reg;
  static LW_INLINE void input(const Reg (&d)[6], Reg (&t)[6]) {
    const Reg two = V::set1(2.0f), half = V::set1(0.5f), sum = V::set1(2.5f);
    const Reg near = V::set1(kWinograd4Near), far = V::set1(kWinograd4Far);
    const Reg even = V::fnma(two, d[2], d[4]), odd = V::fnma(two, d[1], d[3]);
    const Reg even2 = V::fnma(half, d[2], d[4]), odd2 = V::fnma(half, d[1], d[3]);
    t[0] = V::fnma(sum, d[2], V::add(d[0], d[4]));
    t[1] = V::fma(near, odd, even);
    t[2] = V::fnma(near, odd, even);
    t[3] = V::fma(far, odd2, even2);
    t[4] = V::fnma(far, odd2, even2);
    t[5] = V::fnma(sum, d[3], V::add(d[1], d[5]));
  }
  static LW_INLINE void output(const Reg (&t)[6], Reg (&y)[4]) {
    const Reg even = V::add(t[1], t[2]), odd = V::sub(t[1], t[2]);
    const Reg even2 = V::add(t[3], t[4]), odd2 = V::sub(t[3], t[4]);
    y[0] = V::add(V::add(t[0], even), even2);
    y[1] = V::fma(V::set1(kWinograd4Near), odd, V::mul(V::set1(kWinograd4Far), odd2));
    y[2] = V::fma(V::set1(0.5f), even, V::add(even2, even2));
    y[3] = V::fma(V::set1(kWinograd4Near / 2), odd, V::fma(V::set1(2 * kWinograd4Far), odd2, t[5]));
  }
};

template <class V, int m>
struct Winograd {
  using Reg = typename V::Reg;
  using Transform = WinogradTransform<V, m>;
  using Unit = WinogradUnit<FloatDot<V>, m>;
  static constexpr int kPoints = Unit::kPoints;

  // Transforms one patch of the input, all channels, to element e at transformed + e *
  // elementFloats. Lanes beyond the channels may hold anything: the product reads exactly ci of
  // them.
  static void transformInput(const ConvPlan& p, const float* in, const WinogradPosition& at,
                             float* transformed) {
    const ConvShape& s = p.shape;
    const int64_t y0 = at.y - s.pt, x0 = at.x - s.pl;
    const float* patch = in + at.image * p.in.image + y0 * p.in.row + x0 * p.in.pixel;
    const bool inside = y0 >= 0 && x0 >= 0 && y0 + kPoints <= s.h && x0 + kPoints <= s.w;
    for (int64_t c = 0; c < s.ci; c += V::kWidth) {
      Reg rows[kPoints][kPoints];
      LW_UNROLL for (int j = 0; j < kPoints; ++j) {
        Reg column[kPoints], t[kPoints];
        LW_UNROLL for (int i = 0; i < kPoints; ++i) {
          const bool exists =
              inside || (y0 + i >= 0 && y0 + i < s.h && x0 + j >= 0 && x0 + j < s.w);
          column[i] = exists ? V::load(patch + i * p.in.row + j * p.in.pixel + c) : V::zero();
        }
        Transform::input(column, t);
        LW_UNROLL for (int i = 0; i < kPoints; ++i) rows[i][j] = t[i];
      }
      LW_UNROLL for (int i = 0; i < kPoints; ++i) {
        Reg t[kPoints];
        Transform::input(rows[i], t);
        LW_UNROLL for (int j = 0; j < kPoints; ++j) {
          V::store(transformed + (i * kPoints + j) * p.elementFloats + c, t[j]);
        }
      }
    }
  }

  // What the output transform of one block of channels needs besides the products.
  struct Output {
    const float* bias;
    float* out;             // at the block's first channel
    const float* residual;  // likewise, or null
    int64_t channels;
    int64_t elementStep;  // of the products
  };

  static void transformOutput(const ConvPlan& p, const Output& o, const WinogradPosition& at,
                              const float* products) {
    const int64_t height = smaller(m, p.outH - at.y), width = smaller(m, p.outW - at.x);
    float* const out = o.out + at.image * p.out.image + at.y * p.out.row + at.x * p.out.pixel;
    const float* residual = o.residual ? o.residual + at.image * p.residual.image +
                                             at.y * p.residual.row + at.x * p.residual.pixel
                                       : nullptr;
    const bool clip = isClip(p.epilogue);
    const Reg low = V::set1(clip ? clipLow(p.epilogue) : -__builtin_inff());
    const Reg high = V::set1(clip ? clipHigh(p.epilogue) : __builtin_inff());
    for (int64_t c = 0; c < o.channels; c += V::kWidth) {
      Reg rows[m][kPoints];
      LW_UNROLL for (int j = 0; j < kPoints; ++j) {
        Reg column[kPoints], y[m];
        LW_UNROLL for (int i = 0; i < kPoints; ++i) {
          column[i] = V::load(products + (i * kPoints + j) * o.elementStep + c);
        }
        Transform::output(column, y);
        LW_UNROLL for (int i = 0; i < m; ++i) rows[i][j] = y[i];
      }
      const Reg bias = V::load(o.bias + c);
      LW_UNROLL for (int i = 0; i < m; ++i) {
        Reg y[m];
        Transform::output(rows[i], y);
        if (i >= height) continue;
        LW_UNROLL for (int j = 0; j < m; ++j) {
          if (j >= width) continue;
          Reg x = V::add(y[j], bias);
          if (residual && clip) {
            x = V::add(x, V::load(residual + i * p.residual.row + j * p.residual.pixel + c));
          }
          x = V::min(high, V::max(low, x));
          storeUpTo<V>(out + i * p.out.row + j * p.out.pixel + c, x, o.channels - c);
        }
      }
    }
    if (clip) return;
    for (int64_t i = 0; i < height; ++i) {
      finishPixels<V>(p.epilogue, out + i * p.out.row, p.out.pixel,
                      residual ? residual + i * p.residual.row : nullptr, p.residual.pixel, width,
                      o.channels);
    }
  }

  static void run(const ConvPlan& p, const ConvBuffers& io, int64_t index, float* scratch) {
    const auto input = [&](const WinogradPosition& at, float* to) {
      transformInput(p, io.in, at, to);
    };
    const auto output = [&](const typename Unit::Block& block, const WinogradPosition& at,
                            const float* products, int64_t step) {
      const bool residual = p.epilogue.residual != ResidualPlace::kNone;
      transformOutput(p,
                      {block.header, io.out + block.firstOut,
                       residual ? io.residual + block.firstOut : nullptr, block.channels, step},
                      at, products);
    };
    Unit::run(p, io.packed, index, scratch, input, output);
  }
};

}  // namespace
}  // namespace layerwise::cpu
