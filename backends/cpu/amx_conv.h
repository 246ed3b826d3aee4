#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "backends/cpu/conv.h"
#include "backends/cpu/tensor_ops.h"

// Convolutions of one group on tile registers: products of 16 positions (output pixels) by up to 64
// bytes of channels with 64 bytes by 16 output channels, of bfloat16 or of unsigned by signed
// bytes. Tensors are channels-last but for the input of kPlanes.
namespace layerwise::cpu {

/// Where the rows of the left matrix come from. A tile of rows that cross lines of the cache takes
/// twice as long to load, which products hide; copied ones do not but for those of kPlanes.
enum class AmxMethod : uint8_t {
  kFlat,    ///< 1x1, stride 1: the input itself, all pixels of all images; where its strides do
            ///< not allow that, or its pixels are not whole words, as kPhases
  kPhases,  ///< a copied strip with its border, one picture for each offset modulo the stride, so
            ///< that neighbouring outputs are neighbours in it; its border columns are computed too
  kRows,    ///< the same of rows, where each column holds all that an output pixel reads of one
            ///< row: for few channels
  kGather,  ///< a copied strip with one row an output pixel, which holds all that the pixel reads
  kPlanes,  ///< out of planes (an image), of float32 where bfloat16 is multiplied: a strip copied
            ///< pixel by pixel, with one row or several in a column; what neighbours read overlaps
};
inline constexpr AmxMethod kAmxMethods[] = {AmxMethod::kFlat, AmxMethod::kPhases, AmxMethod::kRows,
                                            AmxMethod::kGather, AmxMethod::kPlanes};
const char* amxMethodName(AmxMethod method);

/// The choices that a tuner makes. Zero in the last two means: let bindAmxConv choose.
struct AmxConfig {
  AmxMethod method = AmxMethod::kPhases;
  Element element = Element::kBFloat16;  ///< of input and weights: fixed by the tactic
  int64_t stripBytes = 0;                ///< of left matrix that a unit of work covers
  int64_t blocks = 0;                    ///< blocks of 16 output channels in one unit of work
  /// bfloat16: weights are read in 8 bits (companded_weights.h) and expanded on their way to tiles,
  /// once for each group of positions.
  bool companded = false;
  bool operator==(const AmxConfig&) const = default;
};

/// The configurations worth timing for this shape and a channels-last input, the best guess first;
/// none where tiles have no kernel for it.
std::vector<AmxConfig> amxCandidates(const ConvShape& shape, Element element);
/// About how many cycles all of the products and what is around them take a core.
double amxCycles(const ConvShape& shape, const AmxConfig& config);
bool amxSupports(const ConvShape& shape, const AmxConfig& config);

/// Packed weights depend on channels, kernel, element and on whether the method is kFlat,
/// kRows, kGather or kPlanes (and on the stride then), or companded. They want 64-byte alignment.
size_t amxPackedBytes(const ConvShape& shape, const AmxConfig& config);
/// weights are (co, ci, kh, kw), rounded to bfloat16 or companded here; bias holds co values or is
/// null.
void packAmxFloat(const ConvShape& shape, const AmxConfig& config, const float* weights,
                  const float* bias, std::byte* packed);
/// A result is fma(sum, scales[c], bias[c]) before the activation.
void packAmxBytes(const ConvShape& shape, const AmxConfig& config, const int8_t* weights,
                  const float* scales, const float* bias, int inputZero, std::byte* packed);

/// Before all else where weights are companded: the low and the high bytes of Companding's
/// magnitudes.
struct AmxMagnitudes {
  uint8_t low[128], high[128];
};

/// Constants of a block of 16 output channels, before the weights: what the accumulators start
/// with, and the factors and summands that they are converted with.
struct AmxConstants {
  int32_t start[16];
  float scale[16], bias[16];
};

/// Bytes before the constants.
inline size_t amxConstantsAt(const AmxConfig& config) {
  return config.companded ? sizeof(AmxMagnitudes) : 0;
}

/// A convolution ready to run: all derived numbers, no pointers.
struct AmxPlan {
  ConvShape shape;
  AmxConfig config;
  Conversion conversion;
  Epilogue epilogue;
  View in, out, residual;
  int64_t tiles = 0;         ///< units of work, independent of each other
  int64_t scratchBytes = 0;  ///< per worker, 64-byte aligned

  // The rest is between bindAmxConv and the kernels.
  int64_t outH = 0, outW = 0;        ///< kFlat: 1, all pixels
  int64_t steps = 0, stepBytes = 0;  ///< products a result, and the bytes of a row of each
  int64_t blockCount = 0, blockBytes = 0;
  UnitGrid units;            ///< rows: of the output; kFlat: pixels; with pooling: of its output
  int64_t strip = 0;         ///< the most rows that are computed at once
  int64_t position = 0;      ///< bytes between neighbouring positions
  int64_t rowPositions = 0;  ///< positions from one output row to the next
  int64_t group = 0;         ///< blocks that some positions go through before the next
  int64_t expandedAt = 0;    ///< in the scratch: expanded weights
  bool streamed = false;     ///< weights leave the first-level cache before they are read again
  // kPhases and kRows: pictures in each direction, the size of one, and that of a plane of it,
  // which has 64 bytes a position.
  int64_t phasesH = 0, phasesW = 0, phaseRows = 0, phaseBytes = 0, planes = 1, planeBytes = 0;
  // kPlanes: input rows and bytes of a column; in the scratch, bytes of a row of a plane of the
  // input with its borders, and of all planes.
  // columnWords: 0, or how many words of two values are made of floats at once, without lines.
  int64_t columnRows = 0, columnBytes = 0, columnWords = 0;
  int64_t lineBytes = 0, packedLineBytes = 0, linesAt = 0;
  // With pooling: `out` are rows of results in the scratch, from `rowsAt` on, of which windows read
  // some. A unit has all channels of some pooled rows, and computes those of a few at a time.
  bool pooled = false;
  PoolPlan pool;
  int64_t rowsAt = 0, pooledStrip = 0;
};

/// A plan, and for each step where its bytes begin, relative to those of the position.
struct AmxConvolution {
  AmxPlan plan;
  std::vector<int64_t> offsets;
};

/// Chooses the partition for `threads` workers. The bits of the result do not depend on it.
/// `pool`: maximum pooling of the results, which must be of the element's type; only what it makes
/// of them is written, to its own output.
AmxConvolution bindAmxConv(const ConvShape& shape, const AmxConfig& config,
                           const Conversion& conversion, const View& in, const View& out,
                           const View& residual, const Epilogue& epilogue, int threads,
                           const CacheSizes& caches = {}, const PoolPlan* pool = nullptr);

/// Memory to bring into the second-level cache.
struct AmxAhead {
  const std::byte *begin = nullptr, *end = nullptr;
};

/// Pointers of one run. Inputs and residual must be readable for 64 bytes beyond their last
/// element.
struct AmxBuffers {
  const void* in = nullptr;
  const std::byte* packed = nullptr;
  const int64_t* offsets = nullptr;
  const void* residual = nullptr;
  void* out = nullptr;
  AmxAhead ahead;  ///< weights of a step to come, fetched between the products
};

/// Runs unit `tile` of a plan.
using AmxKernel = void (*)(const AmxPlan& plan, const AmxBuffers& buffers, int64_t tile,
                           std::byte* scratch);

}  // namespace layerwise::cpu
