#pragma once

#include "backends/cpu/conv.h"
#include "backends/cpu/kernels/finish.h"
#include "backends/cpu/kernels/micro.h"
#include "backends/cpu/kernels/strip.h"

namespace layerwise::cpu {
namespace {

// One block of output channels over one strip.
template <class V>
struct DirectBlock {
  const ConvPlan& plan;
  MicroArgs args;         // what all tiles share
  int64_t aPixel, aRow;   // floats between neighbouring output pixels and rows in the input
  const float* a;         // input of the strip's first output pixel, at the group's first channel
  float* out;             // the strip's first output pixel, at the block's first channel
  const float* residual;  // likewise, or null
  float* tile;            // where a tile stays between the microkernel and a scatter
  int64_t channels;       // of the block that exist
  int vectors;

  void run(int64_t rows, int64_t columns) {
    const bool paired = plan.config.twoRows && vectors > 1;
    int64_t most = paired ? plan.config.pixels / 2 : plan.config.pixels;
    const int64_t pieces = (columns + most - 1) / most;
    for (int64_t y = 0; y < rows;) {
      const int height = paired && y + 1 < rows ? 2 : 1;
      for (int64_t piece = 0, x = 0; piece < pieces; ++piece) {
        const int64_t end = (piece + 1) * columns / pieces;
        runTile(y, x, height, static_cast<int>(end - x));
        x = end;
      }
      y += height;
    }
  }

  void runTile(int64_t y, int64_t x, int height, int width) {
    const View& view = plan.out;
    const bool clip = isClip(plan.epilogue), scatter = view.channel != 1;
    float* c = out + y * view.row + x * view.pixel;
    const float* r =
        residual ? residual + y * plan.residual.row + x * plan.residual.pixel : nullptr;
    args.a = a + y * aRow + x * aPixel;
    args.c = scatter ? tile : c;
    args.cPixel = scatter ? vectors * V::kWidth : view.pixel;
    args.cRow = scatter ? width * args.cPixel : view.row;
    args.residual = clip ? r : nullptr;
    microKernel<V>(height, width, vectors)(args);
    for (int i = 0; i < height && (!clip || scatter); ++i) {
      float* row = args.c + i * args.cRow;
      if (!clip) {
        finishPixels<V>(plan.epilogue, row, args.cPixel, r ? r + i * plan.residual.row : nullptr,
                        plan.residual.pixel, width, channels);
      }
      if (scatter) {
        scatterPixels<V>(row, args.cPixel, c + i * view.row, view.pixel, view.channel, width,
                         channels);
      }
    }
  }
};

// Tiles run over strips within an image, images, and chunks of output channels, the strips fastest:
// neighbouring tiles share their weights.
template <class V>
void convDirectTile(const ConvPlan& p, const ConvBuffers& io, int64_t tileIndex, float* scratch) {
  const ConvShape& s = p.shape;
  const int64_t images = p.flat ? 1 : s.n;
  const int64_t strip = tileIndex % p.strips;
  const int64_t image = tileIndex / p.strips % images;
  const int64_t chunk = tileIndex / (p.strips * images);
  const int64_t firstBlock = chunk * p.chunk;
  const int64_t lastBlock = smaller(firstBlock + p.chunk, p.blockCount);
  const int64_t firstGroup = firstBlock / p.blocksPerGroup;
  const int64_t lastGroup = (lastBlock - 1) / p.blocksPerGroup;

  const int64_t begin = strip * p.strip;
  const int64_t rows = p.flat ? 1 : smaller(p.strip, p.outH - begin);
  const int64_t columns = p.flat ? smaller(p.strip, p.outW - begin) : p.outW;
  const int64_t y = p.flat ? 0 : begin, x = p.flat ? begin : 0;

  float* const tile = scratch;
  const float* a = io.in + image * p.in.image;
  View view = p.in;
  if (p.copy) {
    float* const copy = scratch + kTileFloats;
    const int64_t channels = (lastGroup - firstGroup + 1) * p.groupCi;
    if (p.flat) {
      ConvPlan piece = p;  // a flat strip is one row of its own pixels
      piece.shape.w = piece.copyColumns = columns;
      copyStrip<V>(piece, a + x * p.in.pixel, 0, 1, firstGroup * p.groupCi, channels, copy);
    } else {
      copyStrip<V>(p, a, y * s.sh - s.pt, (rows - 1) * s.sh + (s.kh - 1) * s.dh + 1,
                   firstGroup * p.groupCi, channels, copy);
    }
    a = copy - firstGroup * p.groupCi;
    view.pixel = p.copyPixel;
    view.row = p.copyRow;
  } else {
    a += y * s.sh * view.row + x * s.sw * view.pixel;
  }

  for (int64_t block = firstBlock; block < lastBlock; ++block) {
    const int64_t group = block / p.blocksPerGroup;
    const int64_t inGroup = (block % p.blocksPerGroup) * p.config.vectors * V::kWidth;
    const int64_t firstOut = group * p.groupCo + inGroup;
    const int64_t channels = smaller(p.groupCo - inGroup, p.config.vectors * V::kWidth);
    const int vectors = static_cast<int>((channels + V::kWidth - 1) / V::kWidth);
    DirectBlock<V> work{
        p,
        {},
        s.sw * view.pixel,
        s.sh * view.row,
        a + group * p.groupCi,
        io.out + image * p.out.image + y * p.out.row + x * p.out.pixel + firstOut * p.out.channel,
        nullptr,
        tile,
        channels,
        vectors};
    if (p.epilogue.residual != ResidualPlace::kNone) {
      work.residual = io.residual + image * p.residual.image + y * p.residual.row +
                      x * p.residual.pixel + firstOut;
    }
    const int64_t columnsOfKernel = p.mergeKx ? 1 : s.kw;
    MicroArgs& args = work.args;
    args.aPixel = work.aPixel * static_cast<int64_t>(sizeof(float));
    args.aRow = work.aRow * static_cast<int64_t>(sizeof(float));
    args.aKernelRow = s.dh * view.row * static_cast<int64_t>(sizeof(float));
    args.aKernelColumn = s.dw * view.pixel * static_cast<int64_t>(sizeof(float));
    args.kernelRows = s.kh;
    args.kernelColumns = columnsOfKernel;
    args.depth = p.mergeKx ? s.kw * p.groupCi : p.groupCi;
    args.bias = io.packed + (group * p.groupLanes + inGroup) * p.blockRows;
    args.b = args.bias + vectors * V::kWidth;
    args.residualPixel = p.residual.pixel;
    args.residualRow = p.residual.row;
    const bool clip = isClip(p.epilogue);
    args.low = clip ? clipLow(p.epilogue) : -__builtin_inff();
    args.high = clip ? clipHigh(p.epilogue) : __builtin_inff();
    args.lastLanes = static_cast<int>(channels - (vectors - 1) * V::kWidth);
    work.run(rows, columns);
  }
}

}  // namespace
}  // namespace layerwise::cpu
