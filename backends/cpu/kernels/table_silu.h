#pragma once

#include "backends/cpu/epilogue.h"
#include "backends/cpu/simd/inline.h"

namespace layerwise::cpu {
namespace {

// What SiLU is below ReLU at a distance `a` from 0, a / (1 + exp(a)), as cubic polynomials in a:
// number i holds around i * kStep, the last one, 0, from kEnd on.
struct SiluTable {
  static constexpr int kPieces = 32, kLast = kPieces - 1;
  static constexpr double kEnd = 12, kStep = kEnd / (kLast - 0.5);
  static constexpr double kLargestError = 6e-6;  // before kEnd; SiLU itself is 7e-5 there

  alignas(64) float coefficients[4][kPieces] = {};

  constexpr SiluTable() {
    for (int i = 0; i < kLast; ++i) {
      double c[4] = {};
      if (i == 0) {
        // Without an error at 0, where results are as small as a.
        const double a = kStep / 4, b = kStep / 2;
        const double atA = (below(a) - a / 2) / (a * a), atB = (below(b) - b / 2) / (b * b);
        c[3] = (atB - atA) / (b - a);
        c[2] = atA - c[3] * a;
        c[1] = 0.5;
      } else {
        interpolate(i * kStep, c);
      }
      for (int power = 0; power < 4; ++power) {
        coefficients[power][i] = static_cast<float>(-c[power]);
      }
    }
  }

 private:
  static constexpr double exponential(double x) {
    double sum = 1, term = 1;
    for (int i = 1; i < 12; ++i) sum += term *= x / 64 / i;
    for (int i = 0; i < 6; ++i) sum *= sum;
    return sum;
  }
  static constexpr double below(double a) { return a / (1 + exponential(a)); }

  // Through Chebyshev's four points, by Newton's divided differences.
  static constexpr void interpolate(double centre, double (&c)[4]) {
    constexpr double kNodes[4] = {-0.9238795325, -0.3826834324, 0.3826834324, 0.9238795325};
    double x[4] = {}, d[4] = {};
    for (int i = 0; i < 4; ++i) {
      x[i] = centre + kNodes[i] * kStep / 2;
      d[i] = below(x[i]);
    }
    for (int order = 1; order < 4; ++order) {
      for (int i = 3; i >= order; --i) d[i] = (d[i] - d[i - 1]) / (x[i] - x[i - order]);
    }
    for (int i = 3; i >= 0; --i) {  // c = c * (a - x[i]) + d[i]
      for (int power = 3; power > 0; --power) c[power] = c[power - 1] - c[power] * x[i];
      c[0] = d[i] - c[0] * x[i];
    }
  }
};
constexpr SiluTable kSiluTable;

// SiLU for results of bfloat16. Looking coefficients up takes another port than arithmetic, of
// which products of tiles leave one.
template <class V>
struct TableSilu {
  using Reg = typename V::Reg;
  LW_INLINE explicit TableSilu(const Epilogue&) {}
  LW_INLINE Reg operator()(Reg x) const {
    constexpr float kInteger = 12582912.0f;  // has the last bit of 1
    const Reg a = V::magnitude(x, V::set1(static_cast<float>(SiluTable::kLast * SiluTable::kStep)));
    const auto piece =
        V::bitsOf(V::fma(a, V::set1(static_cast<float>(1 / SiluTable::kStep)), V::set1(kInteger)));
    const auto coefficient = [&](int power) __attribute__((always_inline)) {
      return V::lookUp(kSiluTable.coefficients[power], piece);
    };
    Reg y = V::fma(coefficient(3), a, coefficient(2));
    y = V::fma(y, a, coefficient(1));
    y = V::fma(y, a, coefficient(0));
    return V::add(V::max(V::zero(), x), y);
  }
};

}  // namespace
}  // namespace layerwise::cpu
