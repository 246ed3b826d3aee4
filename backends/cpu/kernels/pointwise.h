#pragma once

#include "backends/cpu/kernels/finish.h"
#include "backends/cpu/tensor_ops.h"

namespace layerwise::cpu {
namespace {

template <class V, BinaryKind kind>
LW_INLINE typename V::Reg combine(typename V::Reg a, typename V::Reg b) {
  if constexpr (kind == BinaryKind::kAdd) return V::add(a, b);
  if constexpr (kind == BinaryKind::kSubtract) return V::sub(a, b);
  if constexpr (kind == BinaryKind::kMultiply) return V::mul(a, b);
  if constexpr (kind == BinaryKind::kDivide) return V::div(a, b);
  if constexpr (kind == BinaryKind::kMax) return V::selectNan(a, a, V::max(a, b));
  if constexpr (kind == BinaryKind::kMin) return V::selectNan(a, a, V::min(a, b));
  return a;
}

// One row of pixels; where the pixels of a, b and out are dense the row is one run of channels.
template <class V, BinaryKind kind, class T, class Function>
LW_INLINE void pointwiseRow(const PointwisePlan& p, const Function& activation, const T* a,
                            const T* b, T* out) {
  const bool usesB = kind != BinaryKind::kFirst;
  const bool dense = p.a.pixel == p.c && p.out.pixel == p.c && (!usesB || p.b.pixel == p.c);
  const int64_t pixels = dense ? 1 : p.w, channels = dense ? p.w * p.c : p.c;
  for (int64_t x = 0; x < pixels; ++x) {
    for (int64_t c = 0; c < channels; c += V::kWidth) {
      const auto left = V::load(a + c);
      const auto value = usesB ? combine<V, kind>(left, V::load(b + c)) : left;
      storeUpTo<V>(out + c, activation(value), channels - c);
    }
    a += p.a.pixel;
    if (usesB) b += p.b.pixel;
    out += p.out.pixel;
  }
}

// T is float, or uint16_t for bfloat16.
template <class V, class T>
void pointwiseTile(const PointwisePlan& p, const void* first, const void* second, void* result,
                   int64_t tile) {
  const int64_t image = tile / p.h, y = tile % p.h;
  const T* a = static_cast<const T*>(first) + image * p.a.image + y * p.a.row;
  const T* b = static_cast<const T*>(second);
  if (p.kind != BinaryKind::kFirst) b += image * p.b.image + y * p.b.row;
  T* out = static_cast<T*>(result) + image * p.out.image + y * p.out.row;
  const auto run = [&](const auto& activation) {
    switch (p.kind) {
#define LW_BINARY(kind)  \
  case BinaryKind::kind: \
    return pointwiseRow<V, BinaryKind::kind, T>(p, activation, a, b, out);
      LW_BINARY(kFirst)
      LW_BINARY(kAdd)
      LW_BINARY(kSubtract)
      LW_BINARY(kMultiply)
      LW_BINARY(kDivide)
      LW_BINARY(kMax)
      LW_BINARY(kMin)
#undef LW_BINARY
    }
  };
  withActivation<V>(p.epilogue, run);
}

// T is any type of the elements' size.
template <class T>
void upsampleTile(const UpsamplePlan& p, const void* input, void* output, int64_t tile) {
  const int64_t image = tile / p.h, y = tile % p.h;
  const T* in = static_cast<const T*>(input) + image * p.in.image + y * p.in.row;
  T* out = static_cast<T*>(output) + image * p.out.image + y * p.scaleH * p.out.row;
  for (int64_t i = 0; i < p.scaleH; ++i) {
    T* to = out + i * p.out.row;
    for (int64_t x = 0; x < p.w; ++x) {
      for (int64_t j = 0; j < p.scaleW; ++j, to += p.out.pixel) {
        __builtin_memcpy(to, in + x * p.in.pixel, static_cast<size_t>(p.c) * sizeof(T));
      }
    }
  }
}

}  // namespace
}  // namespace layerwise::cpu
