#pragma once

#include <cstdint>

#include "backends/cpu/simd/emulated.h"
#include "backends/cpu/simd/tile_shapes.h"

namespace layerwise::cpu {
namespace {

// The twin of the tile registers, after the operation sections of Intel's Software Developer's
// Manual. What the processor answers with an invalid-opcode fault traps here.
struct EmulatedTiles {
  struct Vector : Emulated<16> {
    static LW_INLINE Reg bfloat16Pair(Reg first, Reg second) {
      uint16_t halves[2 * kWidth];
      storeBFloat16Pair(halves, first, second);
      __builtin_memcpy(&first, halves, sizeof halves);
      return first;
    }
    static LW_INLINE void storeBFloat16Pair(uint16_t* p, Reg first, Reg second) {
      storeBFloat16(p, first, kWidth);
      storeBFloat16(p + kWidth, second, kWidth);
    }
    static LW_INLINE Reg magnitude(Reg x, Reg most) { return min(abs(x), most); }
    static LW_INLINE Reg lookUp(const float (&table)[32], Index index) {
      Reg x;
      for (int i = 0; i < kWidth; ++i) x[i] = table[index[i] & 31];
      return x;
    }
    static LW_INLINE void prefetchFar(const void*) {}
    static LW_INLINE void expandCodes(const void* codes, const uint8_t* low, const uint8_t* high,
                                      void* rows) {
      for (int i = 0; i < 64; ++i) {
        const uint8_t code = static_cast<const uint8_t*>(codes)[i];
        uint8_t* to = static_cast<uint8_t*>(rows) + i % 16 / 8 * 64 + i / 16 * 16 + i % 8 * 2;
        to[0] = low[code & 0x7f];
        to[1] = high[code & 0x7f] | (code & 0x80);
      }
    }
    static LW_INLINE Reg pickBytes(Reg others, uint64_t places, Reg index, Reg from) {
      unsigned char result[64], which[64], source[64];
      __builtin_memcpy(result, &others, 64);
      __builtin_memcpy(which, &index, 64);
      __builtin_memcpy(source, &from, 64);
      for (int i = 0; i < 64; ++i) {
        if (places >> i & 1) result[i] = source[which[i] % 64];
      }
      __builtin_memcpy(&others, result, 64);
      return others;
    }
    static LW_INLINE Reg loadFirstBytes(const void* p, int64_t n) {
      Reg x = {};
      for (int64_t i = 0; i < (n < 64 ? n : 64); ++i) {
        reinterpret_cast<char*>(&x)[i] = static_cast<const char*>(p)[i];
      }
      return x;
    }
  };

  void configure(const TileShapes& s) {
    shapes = s;
    for (const TileShape& tile : shapes.tile) {
      if (tile.rows > kTileRows || tile.rowBytes > kTileRowBytes || tile.rowBytes % 4) {
        __builtin_trap();
      }
    }
    __builtin_memset(data, 0, sizeof data);
    configured = true;
  }
  void release() { configured = false; }
  void stayAwake() {}

  template <int T>
  void zero() {
    used(T);
    __builtin_memset(data[T], 0, sizeof data[T]);
  }
  template <int T>
  void load(const void* p, int64_t stride) {
    const TileShape shape = used(T);
    __builtin_memset(data[T], 0, sizeof data[T]);
    for (int r = 0; r < shape.rows; ++r) {
      __builtin_memcpy(data[T][r], static_cast<const char*>(p) + r * stride, shape.rowBytes);
    }
  }
  template <int T>
  void loadStreamed(const void* p, int64_t stride) {
    load<T>(p, stride);
  }
  template <int T>
  void store(void* p, int64_t stride) {
    const TileShape shape = used(T);
    for (int r = 0; r < shape.rows; ++r) {
      __builtin_memcpy(static_cast<char*>(p) + r * stride, data[T][r], shape.rowBytes);
    }
  }

  template <int C, int A, int B>
  void dotBytes() {
    const int depth = checkProduct(C, A, B), columns = shapes.tile[C].rowBytes / 4;
    for (int m = 0; m < shapes.tile[C].rows; ++m) {
      for (int k = 0; k < depth; ++k) {
        for (int n = 0; n < columns; ++n) {
          uint32_t sum = word(C, m, n);  // wraps around
          for (int i = 0; i < 4; ++i) {
            sum += static_cast<uint32_t>(data[A][m][4 * k + i] *
                                         static_cast<int8_t>(data[B][k][4 * n + i]));
          }
          setWord(C, m, n, sum);
        }
      }
    }
  }

  // The products of even elements and those of odd elements are summed apart, in a tile of zeros,
  // by fused multiply-adds; the two sums are added, and that to the accumulator. Every operation
  // rounds to nearest even, takes denormal numbers for zeros and returns none.
  template <int C, int A, int B>
  void dotBFloat16() {
    const int depth = checkProduct(C, A, B), columns = shapes.tile[C].rowBytes / 4;
    for (int m = 0; m < shapes.tile[C].rows; ++m) {
      for (int n = 0; n < columns; ++n) {
        float even = 0, odd = 0;
        for (int k = 0; k < depth; ++k) {
          even = flush(__builtin_fmaf(half(A, m, 2 * k), half(B, k, 2 * n), even));
          odd = flush(__builtin_fmaf(half(A, m, 2 * k + 1), half(B, k, 2 * n + 1), odd));
        }
        const float sum = flush(flush(toFloat(word(C, m, n))) + flush(even + odd));
        setWord(C, m, n, toBits(sum));
      }
    }
  }

 private:
  TileShape used(int tile) const {
    if (!configured || !shapes.tile[tile].rows) __builtin_trap();
    return shapes.tile[tile];
  }
  // The words that rows of A and columns of B have in common.
  int checkProduct(int c, int a, int b) const {
    const TileShape sc = used(c), sa = used(a), sb = used(b);
    if (c == a || c == b || a == b || sc.rows != sa.rows || sc.rowBytes != sb.rowBytes ||
        sa.rowBytes != 4 * sb.rows) {
      __builtin_trap();
    }
    return sb.rows;
  }

  static float toFloat(uint32_t bits) {
    float x;
    __builtin_memcpy(&x, &bits, sizeof x);
    return x;
  }
  static uint32_t toBits(float x) {
    uint32_t bits;
    __builtin_memcpy(&bits, &x, sizeof bits);
    return bits;
  }
  static float flush(float x) {
    const uint32_t bits = toBits(x);
    return bits & 0x7f800000u ? x : toFloat(bits & 0x80000000u);
  }
  uint32_t word(int tile, int row, int column) const {
    uint32_t bits;
    __builtin_memcpy(&bits, data[tile][row] + 4 * column, sizeof bits);
    return bits;
  }
  void setWord(int tile, int row, int column, uint32_t bits) {
    __builtin_memcpy(data[tile][row] + 4 * column, &bits, sizeof bits);
  }
  float half(int tile, int row, int column) const {
    uint16_t bits;
    __builtin_memcpy(&bits, data[tile][row] + 2 * column, sizeof bits);
    return flush(toFloat(static_cast<uint32_t>(bits) << 16));
  }

  TileShapes shapes;
  bool configured = false;
  uint8_t data[kTiles][kTileRows][kTileRowBytes];
};

}  // namespace
}  // namespace layerwise::cpu
