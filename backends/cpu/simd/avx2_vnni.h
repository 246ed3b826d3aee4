#pragma once

#include "backends/cpu/simd/avx2.h"

namespace layerwise::cpu {
namespace {

// Four products of unsigned by signed bytes, none of which saturates.
struct Avx2VnniDot : Avx2SaturatingBytesDot {
  static LW_INLINE Acc dot(Acc acc, Words x, Words w) { return _mm256_dpbusd_avx_epi32(acc, x, w); }
};

// Two products of 16-bit integers; the sum wraps.
struct Avx2VnniShortsDot : Avx2ShortsDot {
  static LW_INLINE Acc dot(Acc acc, Words x, Words w) { return _mm256_dpwssd_avx_epi32(acc, x, w); }
};

}  // namespace
}  // namespace layerwise::cpu
