#pragma once

#include "backends/cpu/kernels/byte_results.h"
#include "backends/cpu/kernels/convert.h"

namespace layerwise::cpu {
namespace {

// Words of the bytes that four vectors hold in one place, from the first two of which `low` was
// interleaved, and from the others `high`. Where a vector consists of 16-byte parts, words[j] has
// in word k of part l the bytes 4 (4 l + j) + k.
template <class V>
LW_INLINE void interleaveShorts(const typename V::Index (&low)[2],
                                const typename V::Index (&high)[2], typename V::Index (&words)[4]) {
  V::interleaveShorts(low[0], high[0], words[0], words[1]);
  V::interleaveShorts(low[1], high[1], words[2], words[3]);
}

// Depthwise, the sums of a block of channels are four vectors, in the order in which interleaving
// leaves the channels. Scales and biases are packed in that order.
template <class V>
struct DepthwiseResults {
  using Reg = typename V::Reg;
  using Index = typename V::Index;
  static constexpr int kChannels = 4 * V::kWidth;

  const ConvPlan& plan;
  bool areBytes;  // and need no more than scales and clamps
  BytePacker<V> bytes;

  explicit DepthwiseResults(const ConvPlan& p)
      : plan(p),
        areBytes(packsBytes(p) && p.epilogue.residual == ResidualPlace::kNone),
        bytes(byteResults(p.epilogue, p.conversion, nullptr, nullptr)) {}

  // As float32 in the order of the channels, for finish().
  static LW_INLINE void store(float* to, const Reg (&y)[4]) {
    LW_UNROLL for (int j = 0; j < 4; ++j) V::storeParts(to + 4 * j, V::bitsOf(y[j]), 16);
  }

  // The epilogue of neighbouring pixels, each kChannels after the one before.
  void finish(const float* y, const char* residual, char* out, int64_t pixels,
              int64_t channels) const {
    const Conversion& c = plan.conversion;
    const Results r{y,        kChannels,
                    nullptr,  nullptr,
                    residual, plan.residual.pixel * elementBytes(c.residual),
                    out,      plan.out.pixel * elementBytes(c.output),
                    pixels,   channels};
    if (c.output == Element::kFloat32) {
      writeResults<V, Element::kFloat32, Element::kFloat32>(plan.epilogue, c, r);
    } else {
      writeResults<V, Element::kFloat32, Element::kUInt8>(plan.epilogue, c, r);
    }
  }
};

// A unit of work: some blocks of channels over a strip of an image.
struct DepthwiseUnit : Unit {
  const ConvPlan& plan;
  const char *in, *residual;  // of the image; no residual: null
  char* out;

  DepthwiseUnit(const ConvPlan& p, const TypedConvBuffers& io, const Unit& unit)
      : Unit(unit),
        plan(p),
        in(static_cast<const char*>(io.in) + image * p.in.image),
        residual(p.epilogue.residual == ResidualPlace::kNone
                     ? nullptr
                     : static_cast<const char*>(io.residual) +
                           image * p.residual.image * elementBytes(p.conversion.residual)),
        out(static_cast<char*>(io.out) + image * p.out.image * elementBytes(p.conversion.output)) {}

  int64_t lastRow() const { return firstRow + rows; }  // behind it, as of blocks

  char* outAt(int64_t y, int64_t x, int64_t channel) const {
    return out +
           (y * plan.out.row + x * plan.out.pixel + channel) * elementBytes(plan.conversion.output);
  }
  const char* residualAt(int64_t y, int64_t x, int64_t channel) const {
    if (!residual) return nullptr;
    return residual + (y * plan.residual.row + x * plan.residual.pixel + channel) *
                          elementBytes(plan.conversion.residual);
  }
};

}  // namespace
}  // namespace layerwise::cpu
