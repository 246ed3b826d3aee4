#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "backends/cpu/epilogue.h"
#include "backends/cpu/isa.h"
#include "backends/cpu/unit_grid.h"

namespace layerwise::cpu {

/// A 2-D convolution (1-D: h = kh = 1). ci and co are totals over the groups.
struct ConvShape {
  int64_t n = 1, h = 1, w = 1, ci = 1, co = 1;
  int64_t kh = 1, kw = 1, sh = 1, sw = 1;
  int64_t pt = 0, pl = 0, pb = 0, pr = 0;
  int64_t dh = 1, dw = 1, groups = 1;

  int64_t outH() const { return (h + pt + pb - (kh - 1) * dh - 1) / sh + 1; }
  int64_t outW() const { return (w + pl + pr - (kw - 1) * dw - 1) / sw + 1; }
  int64_t macs() const { return n * outH() * outW() * co * kh * kw * (ci / groups); }
};

/// What a convolution multiplies. Kernels see 32-bit words of one, two or four elements.
/// Transformed bytes are 16-bit integers.
enum class Element : uint8_t { kFloat32, kBFloat16, kUInt8, kInt16 };
constexpr int64_t elementBytes(Element e) {
  return e == Element::kUInt8 ? 1 : e == Element::kFloat32 ? 4 : 2;
}

/// Where the elements of an (N, H, W, C) tensor lie; all strides in elements.
struct View {
  int64_t image = 0, row = 0, pixel = 0, channel = 1;
};

/// Channels-last, dense: the view of a tensor that owns its storage.
View channelsLast(int64_t h, int64_t w, int64_t c);
/// NCHW, dense.
View channelsFirst(int64_t h, int64_t w, int64_t c);

enum class ConvMethod : uint8_t {
  kDirect,     ///< any shape
  kWide,       ///< bytes likewise, widened to 16 bits in a copy: exact without VNNI, too
  kMatched,    ///< bytes likewise, without VNNI, in an order in which the products of two words at
               ///< a time are added in 16 bits; for weights that pairsFitSixteenBits()
  kGrouped,    ///< groups of 2, 4 or 8 channels, as many out as in, fewer than a vector holds
  kDepthwise,  ///< one channel a group
  kWinograd2,  ///< F(2x2, 3x3): 3x3, stride 1, no dilation, one group; of bytes it is exact
  kWinograd4,  ///< F(4x4, 3x3): the same; of floats with about twice the error of F(2x2, 3x3)
};
const char* convMethodName(ConvMethod method);

/// The choices that a tuner makes. Zero in the last three means: let bindConv choose.
struct ConvConfig {
  ConvMethod method = ConvMethod::kDirect;
  Element element = Element::kFloat32;  ///< of input and weights: fixed by the tactic
  uint8_t width = 8;        ///< floats in a vector of the instruction set: fixed by it, not tunable
  uint8_t vectors = 2;      ///< vectors of output channels that a microkernel holds
  uint8_t pixels = 6;       ///< most output pixels (Winograd: tiles) that a microkernel holds
  bool twoRows = false;     ///< microkernels of two output rows by `pixels` / 2: for narrow images
  bool copyInput = false;   ///< copy the strip even where no border needs it
  int64_t stripPixels = 0;  ///< output pixels (Winograd: tiles) of one unit of work
  int64_t blocks = 0;       ///< blocks of output channels in one unit of work
  bool operator==(const ConvConfig&) const = default;
};

/// How a convolution of reduced precision reads its residual and writes its result. Those of bytes
/// compute float32(sum) * scale[c] + bias[c], fused, in float32, then the epilogue; to what a
/// residual r is added, it becomes fma(r - residualZero, residualScale, y), r being bytes or
/// float32. Bytes are rint(y * outputInverse) + outputZero, clamped to [0, 255]; rounding is to
/// even. Fastest is what foldQuantization() makes: outputInverse 1, zeros 0.
struct Conversion {
  Element residual = Element::kFloat32, output = Element::kFloat32;
  int inputZero = 0, residualZero = 0, outputZero = 0;
  float residualScale = 1;
  float outputInverse = 1;  ///< 1 / scale
  /// Any sum and residual of bytes, added up and multiplied by outputInverse, fit 32 bits.
  bool fitsInteger = false;
};

/// The configurations worth timing for this shape, the best guess first. All are legal.
std::vector<ConvConfig> convCandidates(const ConvShape& shape, Isa isa);
/// The same for kernels of a reduced type that have `registers` vectors of `width` words.
std::vector<ConvConfig> typedConvCandidates(const ConvShape& shape, Element element, int width,
                                            int registers);
/// Whether packConv and bindConv take this pair.
bool convSupports(const ConvShape& shape, const ConvConfig& config);

/// Packed weights. They depend on ci, co, kernel, dilation, groups and on the configuration's
/// method, width and vectors, not on the image.
size_t convPackedFloats(const ConvShape& shape, const ConvConfig& config);
/// weights are (co, ci / groups, kh, kw); bias holds co values or is null. packed wants 64-byte
/// alignment and must be readable for 64 bytes beyond its end.
void packConv(const ConvShape& shape, const ConvConfig& config, const float* weights,
              const float* bias, float* packed);
/// The same for weights that are rounded to bfloat16, but for kDepthwise, which multiplies in
/// float32: rounding would gain nothing.
void packConvBFloat16(const ConvShape& shape, const ConvConfig& config, const float* weights,
                      const float* bias, float* packed);
/// The same for bytes: scale is that of the input times those of the weights. The input's zero
/// point is folded into a start value of the sum.
void packConvBytes(const ConvShape& shape, const ConvConfig& config, const int8_t* weights,
                   const float* scale, const float* bias, int inputZero, float* packed);
/// Whether Winograd's integers determine every sum that these 3x3 weights make with any bytes.
bool winogradSumsFit(const ConvShape& shape, ConvMethod method, const int8_t* weights);
/// Whether vpmaddubsw's sums of two products of these weights cannot saturate.
bool pairsFitSixteenBits(const ConvShape& shape, const ConvConfig& config, const int8_t* weights);

/// A convolution ready to run: all derived numbers, no pointers.
struct ConvPlan {
  ConvShape shape;
  ConvConfig config;
  Epilogue epilogue;
  Conversion conversion;
  View in, out, residual;
  int64_t tiles = 0;          ///< units of work, independent of each other
  int64_t scratchFloats = 0;  ///< per worker, 64-byte aligned

  // The rest is between bindConv and the kernels.
  int64_t outH = 0, outW = 0;
  int64_t groupCi = 0, groupCo = 0;
  int64_t kernelColumns = 0;  ///< one where a row of the kernel is one contiguous run
  int64_t depth = 0;          ///< words of such a column
  int64_t blocksPerGroup = 0, blockCount = 0;
  int64_t blockRows = 0, groupLanes = 0;  ///< packed: rows of a block, lanes of a group
  UnitGrid units;                         ///< rows: of the output; flat: pixels; Winograd: tiles
  bool flat = false;                      ///< the images are one long row of pixels
  bool copy = false;                      ///< strips are copied, borders included, into the scratch
  int64_t padding = 0;                    ///< channels of zeros behind those of a copied pixel
  int64_t copyPixel = 0, copyRow = 0, copyColumns = 0;
  int64_t wordOffsets = 0;  ///< kMatched: floats before the words' offsets in the scratch
  int64_t tilesH = 0, tilesW = 0, rowFloats = 0, elementFloats = 0;  ///< Winograd
};

/// Chooses the partition for `threads` workers. The bits of the result do not depend on it.
ConvPlan bindConv(const ConvShape& shape, const ConvConfig& config, const View& in, const View& out,
                  const View& residual, const Epilogue& epilogue, int threads,
                  const CacheSizes& caches = {}, const Conversion& conversion = {});

/// Floats at the start of a worker's scratch where a tile waits for its scatter.
constexpr int64_t kTileFloats = 1024;
/// The most vectors of output channels and output pixels that a microkernel holds.
constexpr int kMaxVectors = 4;
constexpr int kMaxPixels = 14;

/// Pointers of one run. Inputs and residual must be readable for 64 bytes beyond their last
/// element.
struct ConvBuffers {
  const float* in = nullptr;
  const float* packed = nullptr;
  const float* residual = nullptr;
  float* out = nullptr;
};

/// The same for elements of any type.
struct TypedConvBuffers {
  const void* in = nullptr;
  const void* packed = nullptr;
  const void* residual = nullptr;
  void* out = nullptr;
};

}  // namespace layerwise::cpu
