#pragma once

#include "backends/cpu/epilogue.h"
#include "backends/cpu/simd/inline.h"

namespace layerwise::cpu {
namespace {

// exp(x) for x between -87.3 and 88.7 to about 1 ulp: x = n ln 2 + r with |r| <= ln 2 / 2, and a
// polynomial in r (coefficients as in Cephes' expf).
template <class V>
LW_INLINE typename V::Reg boundedExp(typename V::Reg x) {
  using Reg = typename V::Reg;
  const Reg n = V::round(V::mul(x, V::set1(1.44269504088896341f)));
  const Reg r = V::fnma(n, V::set1(-2.12194440e-4f), V::fnma(n, V::set1(0.693359375f), x));
  Reg p = V::set1(1.9875691500e-4f);
  p = V::fma(p, r, V::set1(1.3981999507e-3f));
  p = V::fma(p, r, V::set1(8.3334519073e-3f));
  p = V::fma(p, r, V::set1(4.1665795894e-2f));
  p = V::fma(p, r, V::set1(1.6666665459e-1f));
  p = V::fma(p, r, V::set1(5.0000001201e-1f));
  p = V::fma(p, V::mul(r, r), V::add(r, V::set1(1.0f)));
  return V::scale(p, n);
}

// NaN stays NaN; results saturate at exp(-87.3) and exp(88.7).
template <class V>
LW_INLINE typename V::Reg expApprox(typename V::Reg x) {
  return boundedExp<V>(V::min(V::set1(88.72283f), V::max(V::set1(-87.33654f), x)));
}

// Results saturate at exp(-87): nothing on the way is denormal, which costs a hundred cycles.
template <class V>
LW_INLINE typename V::Reg sigmoidApprox(typename V::Reg x) {
  const auto one = V::set1(1.0f);
  x = V::min(V::set1(87.0f), V::max(V::set1(-87.0f), V::sub(V::zero(), x)));
  return V::div(one, V::add(one, boundedExp<V>(x)));
}

// Cephes' tanhf: a polynomial near zero, where 1 - 2 / (exp(2x) + 1) would cancel.
template <class V>
LW_INLINE typename V::Reg tanhApprox(typename V::Reg x) {
  using Reg = typename V::Reg;
  const Reg one = V::set1(1.0f), magnitude = V::abs(x), z = V::mul(x, x);
  Reg p = V::set1(-5.70498872745e-3f);
  p = V::fma(p, z, V::set1(2.06390887954e-2f));
  p = V::fma(p, z, V::set1(-5.37397155531e-2f));
  p = V::fma(p, z, V::set1(1.33314422036e-1f));
  p = V::fma(p, z, V::set1(-3.33332819422e-1f));
  const Reg near = V::fma(V::mul(p, z), x, x);
  const Reg e = expApprox<V>(V::add(magnitude, magnitude));
  const Reg far = V::sub(one, V::div(V::set1(2.0f), V::add(e, one)));
  const Reg signedFar = V::selectLess(x, V::zero(), V::sub(V::zero(), far), far);
  return V::selectLess(magnitude, V::set1(0.625f), near, signedFar);
}

template <class V>
LW_INLINE typename V::Reg expm1Approx(typename V::Reg x) {
  using Reg = typename V::Reg;
  Reg p = V::set1(1.0f / 5040);
  p = V::fma(p, x, V::set1(1.0f / 720));
  p = V::fma(p, x, V::set1(1.0f / 120));
  p = V::fma(p, x, V::set1(1.0f / 24));
  p = V::fma(p, x, V::set1(1.0f / 6));
  p = V::fma(p, x, V::set1(0.5f));
  const Reg near = V::fma(V::mul(p, x), x, x);
  const Reg far = V::sub(expApprox<V>(x), V::set1(1.0f));
  return V::selectLess(V::abs(x), V::set1(0.5f), near, far);
}

// A rational function for erf on [-4, 4], beyond which it is 1 in float (coefficients as in
// Eigen's).
template <class V>
LW_INLINE typename V::Reg erfApprox(typename V::Reg x) {
  using Reg = typename V::Reg;
  x = V::min(V::set1(4.0f), V::max(V::set1(-4.0f), x));
  const Reg z = V::mul(x, x);
  Reg p = V::set1(-2.72614225801306e-10f);
  p = V::fma(p, z, V::set1(2.77068142495902e-08f));
  p = V::fma(p, z, V::set1(-2.10102402082508e-06f));
  p = V::fma(p, z, V::set1(-5.69250639462346e-05f));
  p = V::fma(p, z, V::set1(-7.34990630326855e-04f));
  p = V::fma(p, z, V::set1(-2.95459980854025e-03f));
  p = V::fma(p, z, V::set1(-1.60960333262415e-02f));
  Reg q = V::set1(-1.45660718464996e-05f);
  q = V::fma(q, z, V::set1(-2.13374055278905e-04f));
  q = V::fma(q, z, V::set1(-1.68282697438203e-03f));
  q = V::fma(q, z, V::set1(-7.37332916720468e-03f));
  q = V::fma(q, z, V::set1(-1.42647390514189e-02f));
  return V::div(V::mul(p, x), q);
}

// log(1 + t) for t in [0, 1], through 2 atanh(t / (2 + t)).
template <class V>
LW_INLINE typename V::Reg log1pUnit(typename V::Reg t) {
  using Reg = typename V::Reg;
  const Reg s = V::div(t, V::add(t, V::set1(2.0f))), z = V::mul(s, s);
  Reg p = V::set1(2.0f / 13);
  p = V::fma(p, z, V::set1(2.0f / 11));
  p = V::fma(p, z, V::set1(2.0f / 9));
  p = V::fma(p, z, V::set1(2.0f / 7));
  p = V::fma(p, z, V::set1(2.0f / 5));
  p = V::fma(p, z, V::set1(2.0f / 3));
  p = V::fma(p, z, V::set1(2.0f));
  return V::mul(p, s);
}

template <class V, Activation kind>
struct ActivationFunction {
  using Reg = typename V::Reg;
  Reg alpha, beta;

  LW_INLINE explicit ActivationFunction(const Epilogue& epilogue)
      : alpha(V::set1(epilogue.alpha)), beta(V::set1(epilogue.beta)) {}

  LW_INLINE Reg ramp(Reg x) const {
    return V::min(V::set1(1.0f), V::max(V::zero(), V::fma(alpha, x, beta)));
  }

  LW_INLINE Reg operator()(Reg x) const {
    const Reg zero = V::zero();
    if constexpr (kind == Activation::kClip) {
      return V::min(beta, V::max(alpha, x));
    } else if constexpr (kind == Activation::kLeaky) {
      return V::selectLess(x, zero, V::mul(alpha, x), x);
    } else if constexpr (kind == Activation::kSigmoid) {
      return sigmoidApprox<V>(x);
    } else if constexpr (kind == Activation::kSilu) {
      // x / (1 + exp(-x)), whose limit at -inf is -0: kept finite there, where -inf / inf has no
      // value.
      const Reg floor = V::max(V::set1(-1e30f), x);
      return V::div(floor, V::add(V::set1(1.0f), expApprox<V>(V::sub(zero, x))));
    } else if constexpr (kind == Activation::kHardSigmoid) {
      return ramp(x);
    } else if constexpr (kind == Activation::kHardSwish) {
      return V::mul(x, ramp(x));
    } else if constexpr (kind == Activation::kMish) {
      // tanh(log(1 + e)) = n / (n + 2) with n = e (e + 2); 1 in float long before e^2 overflows.
      const Reg e = expApprox<V>(V::min(V::set1(30.0f), x));
      const Reg n = V::mul(e, V::add(e, V::set1(2.0f)));
      return V::mul(x, V::div(n, V::add(n, V::set1(2.0f))));
    } else if constexpr (kind == Activation::kTanh) {
      return tanhApprox<V>(x);
    } else if constexpr (kind == Activation::kElu) {
      return V::selectLess(x, zero, V::mul(alpha, expm1Approx<V>(x)), x);
    } else if constexpr (kind == Activation::kGelu) {
      const Reg half = V::mul(x, V::set1(0.5f));
      return V::fma(half, erfApprox<V>(V::mul(x, V::set1(0.70710678118654752f))), half);
    } else if constexpr (kind == Activation::kExp) {
      return expApprox<V>(x);
    } else if constexpr (kind == Activation::kSoftplus) {
      return V::add(V::max(zero, x), log1pUnit<V>(expApprox<V>(V::sub(zero, V::abs(x)))));
    } else {
      return x;
    }
  }
};

// The largest relative error of the SiLU of bfloat16, a quarter of the rounding's.
constexpr double kReducedSiluError = 0x1p-11;

// x / (1 + exp(-x)) for results of 8 or 16 bits: 2^t = 2^floor(t) p(t - floor(t)), p a minimax
// polynomial. For whole numbers about as good as the function of float32 (1.5e-7), so that they
// round as that would.
template <class V, Element result>
struct ReducedSilu {
  using Reg = typename V::Reg;
  LW_INLINE explicit ReducedSilu(const Epilogue&) {}
  LW_INLINE Reg operator()(Reg x) const {
    x = V::max(V::set1(-87.0f), x);  // beyond it the result is -0, and 2^t infinite
    // Where 2^t is lost beside 1 it must not become a denormal number, which costs a hundred
    // cycles.
    const Reg t = V::max(V::set1(-64.0f), V::mul(x, V::set1(-1.44269504088896341f)));
    const Reg power = V::timesPowerOfTwo(polynomial(V::fraction(t)), t);
    const Reg divisor = V::add(V::set1(1.0f), power);
    if constexpr (result == Element::kBFloat16) return V::mul(x, V::reciprocal(divisor));
    return V::quotient(x, divisor);
  }

 private:
  static LW_INLINE Reg polynomial(Reg f) {
    if constexpr (result == Element::kBFloat16) {
      return powers(f, 7.8024523e-2f, 2.2606716e-1f, 6.9583354e-1f, 9.9992522e-1f);
    } else {
      return powers(f, 1.8775777e-3f, 8.989342e-3f, 5.5826314e-2f, 2.4015363e-1f, 6.931531e-1f,
                    9.9999994e-1f);
    }
  }
  template <class... Rest>
  static LW_INLINE Reg powers(Reg f, float first, Rest... rest) {
    Reg p = V::set1(first);
    ((p = V::fma(p, f, V::set1(rest))), ...);
    return p;
  }
};

// Calls body(function) with the activation as a type, so that its loops know it.
template <class V, class Body>
LW_INLINE void withActivation(const Epilogue& e, const Body& body) {
  switch (e.activation) {
#define LW_ACTIVATION(kind) \
  case Activation::kind:    \
    return body(ActivationFunction<V, Activation::kind>(e));
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
}

}  // namespace
}  // namespace layerwise::cpu
