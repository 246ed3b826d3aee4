#pragma once

#include <cstdint>

#include "backends/cpu/simd/tile_shapes.h"
#include "backends/cpu/tensor_ops.h"

namespace layerwise::cpu {
namespace {

// Products of whole tiles on registers: four accumulators of two by two tiles.
template <class T, bool bytes>
float amxPeakLoop(int64_t steps) {
  TileShapes shapes;
  for (TileShape& shape : shapes.tile) shape = {kTileRows, kTileRowBytes};
  alignas(64) float result[kTileRows * kTileRowBytes / sizeof(float)] = {};
  T tiles;
  tiles.configure(shapes);
  const auto multiply = [&]<int c, int a, int b>() {
    if constexpr (bytes) {
      tiles.template dotBytes<c, a, b>();
    } else {
      tiles.template dotBFloat16<c, a, b>();
    }
  };
  for (int64_t step = 0; step < steps; ++step) {
    multiply.template operator()<0, 4, 6>();
    multiply.template operator()<1, 4, 7>();
    multiply.template operator()<2, 5, 6>();
    multiply.template operator()<3, 5, 7>();
  }
  tiles.template store<0>(result, kTileRowBytes);
  tiles.release();
  return result[0];
}

template <class T, bool bytes>
constexpr Peak amxPeak() {
  return {&amxPeakLoop<T, bytes>, 2 * 4 * kTileRows * kTileRows * (bytes ? 64 : 32)};
}

}  // namespace
}  // namespace layerwise::cpu
