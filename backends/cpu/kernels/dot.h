#pragma once

#include <cstdint>

#include "backends/cpu/simd/inline.h"

// What a microkernel does with 32-bit words: it broadcasts one of the activations, loads one of the
// weights a lane, and adds the products of their elements to an accumulator a lane. A Dot names
// the element type and the instructions; kElements is the number of elements a word.
namespace layerwise::cpu {
namespace {

template <class V>
struct FloatDot {
  using Vector = V;
  using Acc = typename V::Reg;
  using Words = typename V::Reg;
  static constexpr int kElements = 1;

  static LW_INLINE Acc start(const float* p) { return V::load(p); }
  static LW_INLINE void store(float* p, Acc acc) { V::store(p, acc); }
  static LW_INLINE Words broadcast(const void* p) { return V::set1(*static_cast<const float*>(p)); }
  static LW_INLINE Words weights(const void* p) { return V::load(static_cast<const float*>(p)); }
  static LW_INLINE Acc dot(Acc acc, Words x, Words w) { return V::fma(x, w, acc); }
};

// Pairs of bfloat16 multiplied as float32: for machines without an instruction for it. The order is
// vdpbf16ps's, the product of the odd elements first; that instruction treats denormal numbers as
// zeros, this does not.
template <class V>
struct WidenedBFloat16Dot {
  using Vector = V;
  using Acc = typename V::Reg;
  struct Words {
    typename V::Reg even, odd;
  };
  static constexpr int kElements = 2;

  static LW_INLINE Acc start(const float* p) { return V::load(p); }
  static LW_INLINE void store(float* p, Acc acc) { V::store(p, acc); }
  static LW_INLINE Words broadcast(const void* p) { return split(V::broadcastWord(p)); }
  static LW_INLINE Words activations(typename V::Index words) { return split(words); }
  static LW_INLINE Words weights(const void* p) {
    return split(V::loadIndex(static_cast<const int*>(p)));
  }
  static LW_INLINE Words split(typename V::Index words) {
    return {V::evenBFloat16(words), V::oddBFloat16(words)};
  }
  static LW_INLINE Acc dot(Acc acc, const Words& x, const Words& w) {
    return V::exactFma(x.even, w.even, V::exactFma(x.odd, w.odd, acc));
  }
};

// For weights whose words are matched: a Dot that has dotTwo() takes two words at a time.
template <class Dot>
struct MatchedDot : Dot {
  static constexpr bool kMatched = true;
};
template <class Dot>
constexpr bool isMatched() {
  return requires {
    Dot::kMatched;
  };
}

}  // namespace
}  // namespace layerwise::cpu
