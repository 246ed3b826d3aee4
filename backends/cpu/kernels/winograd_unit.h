#pragma once

#include "backends/cpu/conv_geometry.h"
#include "backends/cpu/kernels/finish.h"
#include "backends/cpu/kernels/micro.h"

namespace layerwise::cpu {
namespace {

// Where a patch's first output is.
struct WinogradPosition {
  int64_t image, y, x;
};

// What Winograd's convolutions of all types share: F(m x m, 3x3) as products of transformed patches
// and weights, one an element of a patch.
template <class Dot, int m>
struct WinogradUnit {
  using V = typename Dot::Vector;
  static constexpr int kPoints = m + 2;
  static constexpr int kElements = kPoints * kPoints;

  static LW_INLINE WinogradPosition position(const ConvPlan& p, int64_t index) {
    const int64_t perImage = p.tilesH * p.tilesW, inImage = index % perImage;
    return {index / perImage, inImage / p.tilesW * m, inImage % p.tilesW * m};
  }

  // products[e][tile][:] = transformed[e][tile][:] x weights[e]
  static void multiply(const ConvPlan& p, const float* transformed, const float* weights,
                       int vectors, int64_t tiles, float* products) {
    alignas(64) static constexpr float kZeros[kMaxVectors * 16] = {};
    const int64_t lanes = vectors * V::kWidth, step = tiles * lanes;
    const int64_t pieces = divideUp(tiles, p.config.pixels);
    MicroArgs args{};
    args.aPixel = p.rowFloats * static_cast<int64_t>(sizeof(float));
    args.kernelRows = args.kernelColumns = 1;
    args.depth = p.depth;
    args.bias = kZeros;
    args.cPixel = lanes;
    args.low = -__builtin_inff();
    args.high = __builtin_inff();
    args.lastLanes = V::kWidth;
    // The panels lie one behind the other: while one multiplies, the next one comes.
    const int64_t panel = p.depth * lanes;
    args.aheadLines = divideUp(lanes / 4, pieces);
    for (int e = 0; e < kElements; ++e) {
      const float* const own = weights + e * panel;
      args.b = own;
      for (int64_t piece = 0, tile = 0; piece < pieces; ++piece) {
        const int64_t end = (piece + 1) * tiles / pieces;
        args.a = transformed + e * p.elementFloats + tile * p.rowFloats;
        args.c = products + e * step + tile * lanes;
        args.ahead = reinterpret_cast<const char*>(own + panel + piece * panel / pieces);
        microKernel<V, Dot>(1, static_cast<int>(end - tile), vectors)(args);
        tile = end;
      }
    }
  }

  // A block of output channels whose products are ready.
  struct Block {
    const float* header;  // its first packed row
    int64_t firstOut, channels, lanes;
  };

  // A unit of work: some patches, some blocks of output channels, wholly within the scratch.
  // input(position, to) transforms a patch; output(block, position, products, step) transforms the
  // products of one back, of which the elements lie `step` apart.
  template <class Input, class Output>
  static void run(const ConvPlan& p, const float* packed, int64_t index, float* scratch,
                  const Input& input, const Output& output) {
    const Unit unit = unitAt(p.units, index);
    const int64_t first = unit.firstRow, tiles = unit.rows;
    float* const transformed = scratch;
    float* const products = scratch + kElements * p.elementFloats;
    for (int64_t t = 0; t < tiles; ++t) {
      input(position(p, first + t), transformed + t * p.rowFloats);
    }
    for (int64_t i = unit.firstBlock; i < unit.lastBlock; ++i) {
      const int64_t firstOut = i * p.config.vectors * V::kWidth;
      const int64_t channels = smaller(p.shape.co - firstOut, p.config.vectors * V::kWidth);
      const int vectors = static_cast<int>(divideUp(channels, V::kWidth));
      const Block block{packed + firstOut * p.blockRows, firstOut, channels, vectors * V::kWidth};
      multiply(p, transformed, block.header + headerRows(p.config.element) * block.lanes, vectors,
               tiles, products);
      for (int64_t t = 0; t < tiles; ++t) {
        output(block, position(p, first + t), products + t * block.lanes, tiles * block.lanes);
      }
    }
  }
};

}  // namespace
}  // namespace layerwise::cpu
