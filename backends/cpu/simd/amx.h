#pragma once

#include <cstdint>

#include "backends/cpu/simd/inline.h"
#include "backends/cpu/simd/tile_shapes.h"

namespace layerwise::cpu {
namespace {

// The processor's tile registers. Instructions are written out because GCC's intrinsics take a
// tile's number as a macro argument, which a template parameter cannot be. The compiler does not
// know of tiles, so an object stands for the thread's: there is one at a time. V is the vector that
// goes with them.
template <class V>
struct AmxTiles {
  using Vector = V;

  // Zeroes all tiles.
  LW_INLINE void configure(const TileShapes& shapes) {
    struct alignas(64) {
      uint8_t palette = 1, startRow = 0, reserved[14] = {};
      uint16_t rowBytes[16] = {};
      uint8_t rows[16] = {};
    } layout;
    for (int i = 0; i < kTiles; ++i) {
      layout.rowBytes[i] = shapes.tile[i].rowBytes;
      layout.rows[i] = static_cast<uint8_t>(shapes.tile[i].rows);
    }
    __asm__ volatile("ldtilecfg %0" : : "m"(layout));
  }
  // Back to the state in which the operating system need not save the tiles.
  LW_INLINE void release() { __asm__ volatile("tilerelease" : : : "memory"); }

  template <int T>
  LW_INLINE void zero() {
    __asm__ volatile("tilezero %%tmm%c0" : : "i"(T));
  }
  template <int T>
  LW_INLINE void load(const void* p, int64_t stride) {
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(p), "r"(stride), "i"(T) : "memory");
  }
  // The same of what will not be read again soon: other data stays in the first-level cache.
  template <int T>
  LW_INLINE void loadStreamed(const void* p, int64_t stride) {
    __asm__ volatile("tileloaddt1 (%0,%1,1), %%tmm%c2" : : "r"(p), "r"(stride), "i"(T) : "memory");
  }
  template <int T>
  LW_INLINE void store(void* p, int64_t stride) {
    __asm__ volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(p), "r"(stride), "i"(T) : "memory");
  }
  // Some processors (Xeon with 2 MiB of second-level cache a core) turn floating-point
  // arithmetic off when 2000 cycles pass without any, and products of tiles are none; the next
  // store of a tile, even of whole numbers, then waits 850 cycles. To be called between products.
  LW_INLINE void stayAwake() {
    __asm__ volatile(
        "vxorps %%xmm0, %%xmm0, %%xmm0\n\t"
        "vaddps %%xmm0, %%xmm0, %%xmm0"
        :
        :
        : "xmm0");
  }
  // c += a * b, of unsigned by signed bytes.
  template <int C, int A, int B>
  LW_INLINE void dotBytes() {
    __asm__ volatile("tdpbusd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(C), "i"(A), "i"(B));
  }
  template <int C, int A, int B>
  LW_INLINE void dotBFloat16() {
    __asm__ volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(C), "i"(A), "i"(B));
  }
};

}  // namespace
}  // namespace layerwise::cpu
