#pragma once

#include "backends/cpu/conv.h"
#include "backends/cpu/kernels/convert.h"
#include "backends/cpu/kernels/finish.h"
#include "backends/cpu/kernels/micro.h"
#include "backends/cpu/kernels/strip.h"

namespace layerwise::cpu {
namespace {

template <class Dot>
constexpr Element dotElement() {
  return sumsIntegers<Dot>     ? Element::kUInt8
         : Dot::kElements == 1 ? Element::kFloat32
                               : Element::kBFloat16;
}

// What the microkernel reads: bytes, or what they are widened to.
template <class Dot>
struct OperandType {
  using Type = typename ElementType<dotElement<Dot>()>::Type;
};
template <class Dot>
requires(sumsIntegers<Dot>&& Dot::kElements == 2) struct OperandType<Dot> {
  using Type = int16_t;
};

// One block of output channels over one strip. Steps are in bytes.
template <class V, class Dot>
struct DirectBlock {
  const ConvPlan& plan;
  MicroArgs args;         // what all tiles share
  int64_t aPixel, aRow;   // between neighbouring output pixels and rows in the input
  const char* a;          // input of the strip's first output pixel, at the group's first channel
  char* out;              // the strip's first output pixel, at the block's first channel
  int64_t outBytes;       // of an element
  const char* residual;   // likewise, or null
  int64_t residualBytes;  // of an element
  float* tile;            // where a tile stays between the microkernel and what follows it
  int64_t channels;       // of the block that exist
  int vectors;
  int64_t held = 0;  // pixels of a row, or of two, in the tile

  void run(int64_t rows, int64_t columns) {
    const bool paired = plan.config.twoRows && vectors > 1;
    int64_t most = paired ? plan.config.pixels / 2 : plan.config.pixels;
    const int64_t pieces = (columns + most - 1) / most;
    // While this block's tiles run, the next block's weights come.
    const int64_t panel = args.kernelRows * args.kernelColumns * args.depth * vectors * V::kWidth *
                          weightWordBytes<Dot>();
    const int64_t tiles = pieces * (paired ? (rows + 1) / 2 : rows);
    args.aheadLines =
        divideUp(vectors * V::kWidth * weightWordBytes<Dot>() * stepsTogether<Dot>() / 64, tiles);
    for (int64_t y = 0, done = 0; y < rows;) {
      const int height = paired && y + 1 < rows ? 2 : 1;
      for (int64_t piece = 0, x = 0; piece < pieces; ++piece, ++done) {
        const int64_t end = (piece + 1) * columns / pieces;
        args.ahead = static_cast<const char*>(args.b) + panel + done * panel / tiles;
        args.a = a + y * aRow + x * aPixel;
        char* c = out + (y * plan.out.row + x * plan.out.pixel) * outBytes;
        const char* r =
            residual ? residual + (y * plan.residual.row + x * plan.residual.pixel) * residualBytes
                     : nullptr;
        if constexpr (Dot::kElements == 1) {
          runTile(reinterpret_cast<float*>(c), reinterpret_cast<const float*>(r), height,
                  static_cast<int>(end - x));
        } else {
          runReducedTile(c, r, height, static_cast<int>(end - x), piece + 1 == pieces);
        }
        x = end;
      }
      y += height;
    }
  }

  void runTile(float* c, const float* r, int height, int width) {
    const View& view = plan.out;
    const bool clip = isClip(plan.epilogue), scatter = view.channel != 1;
    args.c = scatter ? tile : c;
    args.cPixel = scatter ? vectors * V::kWidth : view.pixel;
    args.cRow = scatter ? width * args.cPixel : view.row;
    args.residual = clip ? r : nullptr;
    microKernel<V, Dot>(height, width, vectors)(args);
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

  // Sums that do not become bytes in the registers stay in the tile until it is full or the row
  // ends: what follows takes long to begin.
  void runReducedTile(char* c, const char* r, int height, int width, bool isLast) {
    const View& view = plan.out;
    if (args.results) {
      args.bytes = c;
      args.byteResidual = r;
      args.cPixel = view.pixel;
      args.cRow = view.row;
      microKernel<V, Dot>(height, width, vectors)(args);
      return;
    }
    args.cPixel = vectors * V::kWidth;
    const int64_t most = kTileFloats / (height * args.cPixel);
    args.cRow = most * args.cPixel;
    args.c = tile + held * args.cPixel;
    microKernel<V, Dot>(height, width, vectors)(args);
    held += width;
    if (!isLast && held + width + 1 <= most) return;  // another may be one pixel longer
    const int64_t before = held - width;
    c -= before * view.pixel * outBytes;
    if (r) r -= before * plan.residual.pixel * residualBytes;
    for (int i = 0; i < height; ++i) {
      writeReducedRow<V, dotElement<Dot>()>(plan, tile + i * args.cRow, args.cPixel, scale(),
                                            scale() + vectors * V::kWidth,
                                            r ? r + i * plan.residual.row * residualBytes : nullptr,
                                            c + i * view.row * outBytes, held, channels);
    }
    held = 0;
  }

  // The first row of the block's header.
  const float* scale() const {
    return args.bias - (headerRows(dotElement<Dot>()) - 1) * vectors * V::kWidth;
  }
};

// A unit of work: some blocks of output channels over a strip of an image.
template <class V, class T, class Operand>
struct DirectUnit {
  int64_t image, y, x;  // of the first output pixel
  int64_t rows, columns;
  int64_t firstBlock, lastBlock;
  const Operand* a;  // input of the first output pixel
  View view;         // of the input that a is in

  DirectUnit(const ConvPlan& p, const T* in, int64_t index, float* scratch) {
    const ConvShape& s = p.shape;
    const Unit unit = unitAt(p.units, index);
    image = unit.image;
    firstBlock = unit.firstBlock;
    lastBlock = unit.lastBlock;
    rows = p.flat ? 1 : unit.rows;
    columns = p.flat ? unit.rows : p.outW;
    y = p.flat ? 0 : unit.firstRow;
    x = p.flat ? unit.firstRow : 0;
    const T* const from = in + image * p.in.image;
    view = p.in;
    if constexpr (sizeof(T) == sizeof(Operand)) {
      a = from + y * s.sh * view.row + x * s.sw * view.pixel;
      if (!p.copy) return;
    }
    auto* const copy = reinterpret_cast<Operand*>(scratch + kTileFloats);
    const int64_t firstGroup = firstBlock / p.blocksPerGroup;
    const int64_t lastGroup = (lastBlock - 1) / p.blocksPerGroup;
    const int64_t firstChannel = firstGroup * p.groupCi;
    const int64_t channels = (lastGroup - firstGroup + 1) * p.groupCi;
    if (p.flat) {
      ConvPlan piece = p;  // a flat strip is one row of its own pixels
      piece.shape.w = piece.copyColumns = columns;
      copyStrip<V>(piece, from + x * p.in.pixel, 0, 1, firstChannel, channels, copy);
    } else {
      copyStrip<V>(p, from, y * s.sh - s.pt, (rows - 1) * s.sh + (s.kh - 1) * s.dh + 1,
                   firstChannel, channels, copy);
    }
    a = copy - firstChannel;
    view.pixel = p.copyPixel;
    view.row = p.copyRow;
  }

  // Elements from a tensor's first one to the unit's first output pixel.
  int64_t offset(const View& v, int64_t channel) const {
    return image * v.image + y * v.row + x * v.pixel + channel * v.channel;
  }
};

// Where the words of the weights' terms are, in bytes from an output pixel's place in the input.
int64_t* placeWords(const ConvPlan& p, const View& view, float* scratch) {
  const ConvShape& s = p.shape;
  auto* const offsets = reinterpret_cast<int64_t*>(scratch + p.wordOffsets);
  int64_t* to = offsets;
  for (int64_t ky = 0; ky < s.kh; ++ky)
    for (int64_t kx = 0; kx < p.kernelColumns; ++kx)
      for (int64_t k = 0; k < p.depth; ++k)
        *to++ = ky * s.dh * view.row + kx * s.dw * view.pixel + 4 * k;
  return offsets;
}

template <class V, class Dot>
void convDirect(const ConvPlan& p, const TypedConvBuffers& io, int64_t index, float* scratch) {
  using T = typename ElementType<dotElement<Dot>()>::Type;
  using Operand = typename OperandType<Dot>::Type;
  constexpr int64_t kBytes = sizeof(Operand), kHeader = headerRows(dotElement<Dot>());
  const ConvShape& s = p.shape;
  const DirectUnit<V, T, Operand> unit(p, static_cast<const T*>(io.in), index, scratch);
  const View& view = unit.view;

  const Element out = Dot::kElements == 1 ? Element::kFloat32 : p.conversion.output;
  const Element added = Dot::kElements == 1 ? Element::kFloat32 : p.conversion.residual;
  int64_t* offsets = nullptr;
  if constexpr (isMatched<Dot>()) offsets = placeWords(p, view, scratch);
  for (int64_t block = unit.firstBlock; block < unit.lastBlock; ++block) {
    const int64_t group = block / p.blocksPerGroup;
    const int64_t inGroup = (block % p.blocksPerGroup) * p.config.vectors * V::kWidth;
    const int64_t firstOut = group * p.groupCo + inGroup;
    const int64_t channels = smaller(p.groupCo - inGroup, p.config.vectors * V::kWidth);
    const int vectors = static_cast<int>((channels + V::kWidth - 1) / V::kWidth);
    DirectBlock<V, Dot> work{p,
                             {},
                             s.sw * view.pixel * kBytes,
                             s.sh * view.row * kBytes,
                             reinterpret_cast<const char*>(unit.a + group * p.groupCi),
                             static_cast<char*>(io.out),
                             elementBytes(out),
                             nullptr,
                             elementBytes(added),
                             scratch,
                             channels,
                             vectors};
    work.out += unit.offset(p.out, firstOut) * work.outBytes;
    if (p.epilogue.residual != ResidualPlace::kNone) {
      work.residual = static_cast<const char*>(io.residual) +
                      unit.offset(p.residual, firstOut) * work.residualBytes;
    }
    MicroArgs& args = work.args;
    args.aPixel = work.aPixel;
    args.aRow = work.aRow;
    args.aKernelRow = s.dh * view.row * kBytes;
    args.aKernelColumn = s.dw * view.pixel * kBytes;
    args.kernelRows = s.kh;
    args.kernelColumns = p.kernelColumns;
    args.depth = p.depth;
    const float* header =
        static_cast<const float*>(io.packed) + (group * p.groupLanes + inGroup) * p.blockRows;
    args.bias = header + (kHeader - 1) * vectors * V::kWidth;
    args.b = header + kHeader * vectors * V::kWidth;
    if constexpr (isMatched<Dot>()) {
      args.kernelRows = args.kernelColumns = 1;
      args.depth = s.kh * p.kernelColumns * p.depth;
      const auto* table = reinterpret_cast<const uint16_t*>(static_cast<const float*>(args.b) +
                                                            args.depth * vectors * V::kWidth);
      args.matched = *table;
      args.order = table + 1;
      args.offsets = offsets;
    }
    args.residualPixel = p.residual.pixel;
    args.residualRow = p.residual.row;
    const bool clip = isClip(p.epilogue);
    args.low = clip ? clipLow(p.epilogue) : -__builtin_inff();
    args.high = clip ? clipHigh(p.epilogue) : __builtin_inff();
    args.lastLanes = static_cast<int>(channels - (vectors - 1) * V::kWidth);
    ByteResults results{};
    if (packsBytes(p)) {
      results = byteResults(p.epilogue, p.conversion, header, header + vectors * V::kWidth);
      args.results = &results;
    }
    work.run(unit.rows, unit.columns);
  }
}

template <class V>
void convDirectTile(const ConvPlan& p, const ConvBuffers& io, int64_t tile, float* scratch) {
  convDirect<V, FloatDot<V>>(p, {io.in, io.packed, io.residual, io.out}, tile, scratch);
}

}  // namespace
}  // namespace layerwise::cpu
