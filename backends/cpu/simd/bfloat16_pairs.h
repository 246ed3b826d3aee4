#pragma once

#include <cstdint>

#include "backends/cpu/simd/inline.h"

namespace layerwise::cpu {
namespace {

// Twice as many bfloat16 as V has lanes, widened: those of even and of odd place in vectors of
// their own, which takes one instruction each. What comes from and goes to float32 memory as Reg
// has all even ones first.
template <class V>
struct BFloat16Pairs {
  struct Reg {
    typename V::Reg even, odd;
  };
  using Index = typename V::Index;
  static constexpr int kWidth = 2 * V::kWidth;
  static constexpr int kRegisters = V::kRegisters / 2;

  static LW_INLINE Reg load(const float* p) { return {V::load(p), V::load(p + V::kWidth)}; }
  static LW_INLINE Reg load(const uint16_t* p) {
    const Index x = V::loadIndex(reinterpret_cast<const int*>(p));
    return {V::evenBFloat16(x), V::oddBFloat16(x)};
  }
  static LW_INLINE Reg inRegister(Reg x) { return x; }  // widening has brought it there
  static LW_INLINE Reg set1(float x) { return {V::set1(x), V::set1(x)}; }
  static LW_INLINE Reg fma(Reg a, Reg b, Reg c) {
    return {V::exactFma(a.even, b.even, c.even), V::exactFma(a.odd, b.odd, c.odd)};
  }
  static LW_INLINE Reg max(Reg a, Reg b) { return {V::max(a.even, b.even), V::max(a.odd, b.odd)}; }
  static LW_INLINE Reg min(Reg a, Reg b) { return {V::min(a.even, b.even), V::min(a.odd, b.odd)}; }
  // As float32, in the order of the channels.
  static LW_INLINE void storeFloats(float* p, Reg x) {
    typename V::Reg low, high;
    V::interleave(x.even, x.odd, low, high);
    V::store(p, low);
    V::store(p + V::kWidth, high);
  }
  // Rounded to even; the first n.
  static LW_INLINE void storeBFloat16(uint16_t* p, Reg x, int64_t n) {
    if constexpr (requires { V::storePairs(p, x.even, x.odd, 0); }) {
      V::storePairs(p, x.even, x.odd, n < kWidth ? static_cast<int>(n) : kWidth);
    } else {
      typename V::Reg low, high;
      V::interleave(x.even, x.odd, low, high);
      V::storeBFloat16(p, low, n < V::kWidth ? static_cast<int>(n) : V::kWidth);
      if (n > V::kWidth) {
        V::storeBFloat16(p + V::kWidth, high,
                         n < kWidth ? static_cast<int>(n) - V::kWidth : V::kWidth);
      }
    }
  }
};

}  // namespace
}  // namespace layerwise::cpu
