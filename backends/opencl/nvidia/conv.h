#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

/// The host's side of kernels/nvidia/conv.cl: tiles, the order of packed weights, how work is cut
/// up.
namespace layerwise::opencl {

/// What the kernel computes with: bytes summed in integers (layers/quantized_convolution.h), half
/// products summed in float, TF32 products of floats, floats, or floats as sums of two TF32 numbers
/// each, three of whose four products are summed ("3xTF32": an error like float's).
enum class ConvMath : std::uint8_t {
  kBytes = 8,
  kHalf = 16,
  kTf32 = 19,
  kFloat = 32,
  kTf32x3 = 57
};
int elementBytes(ConvMath math);
/// Numbers of the arithmetic that a weight is kept as: TF32 numbers whose sum it is, or itself.
int partsOfWeights(ConvMath math);
/// Channels in 16 bytes.
int chunkOf(ConvMath math);

/// Who multiplies: a thread or the tensor core of a warp, by the kind of arithmetic (mma.sync), or
/// the tensor cores of four warps together (wgmma; tensor core arithmetic only), step by step of
/// the depth, or tap by tap over patches of the input (kernels/nvidia/conv_patch.cl).
enum class ConvUnit : std::uint8_t { kWarp, kWarpgroup, kPatch };

/// A family of compiled forms of the kernel.
struct ConvFamily {
  ConvMath math = ConvMath::kHalf;
  ConvUnit unit = ConvUnit::kWarp;
  bool operator==(const ConvFamily&) const = default;
};

/// A compiled form of the kernel: the tile of a group (pixels x channels), of a warp, bytes of
/// depth a stage, stages in local memory, and of those how many a warpgroup may still multiply
/// while it waits for the next.
struct ConvTile {
  ConvMath math = ConvMath::kHalf;
  int pixels = 0, channels = 0;
  int warpPixels = 0, warpChannels = 0;
  int depthBytes = 64;
  int stages = 3;
  ConvUnit unit = ConvUnit::kWarp;
  int flight = 0;

  int threads() const { return 32 * (pixels / warpPixels) * (channels / warpChannels); }
  std::string name() const;
  std::vector<std::pair<std::string, std::string>> defines() const;
  bool operator==(const ConvTile&) const = default;
};

/// The tiles that pay somewhere.
const std::vector<ConvTile>& convTiles(const ConvFamily& family);

/// What the kernel's function quotient takes of a divisor.
constexpr std::uint32_t inverseOf(std::int32_t divisor) {
  return 0xffffffffu / static_cast<std::uint32_t>(divisor);
}

/// The kernel's struct of the same name, member by member.
struct ConvGeometry {
  std::int32_t pixels, channels, depth;
  std::int32_t imagePixels, width;
  std::int32_t inHeight, inWidth, inChannels;
  std::int32_t kernelWidth;
  std::int32_t strideY, strideX, dilationY, dilationX, padY, padX;
  std::int32_t inRow, inPixel;
  std::int32_t outRow, outPixel;
  std::int32_t residualRow, residualPixel;
  std::int32_t weightRow, weightRows;
  std::int32_t stepsPerSplit;
  std::int32_t images, kernelHeight, linePositions, imageLines, patchLine, patchRows, planeBytes;
  std::int32_t pictureHeight, pictureWidth, pictureChannel;
  float pictureInverse;
  std::int32_t pictureZero;
  std::uint32_t perImagePixels, perWidth, perLinePositions, perImageLines, perPatchLine;
  float alpha, beta;
  std::int64_t inImage, outImage, residualImage;
  std::int32_t productIn, productOut;
  std::uint32_t outside;
  std::int32_t outputZero, residualZero;
  float inverse, residualScale;
};

/// A convolution without groups over images; the fully connected layer is one over images of one
/// pixel.
struct ConvProblem {
  std::int64_t images = 1, inChannels = 0, outChannels = 0;
  std::int64_t inHeight = 1, inWidth = 1, outHeight = 1, outWidth = 1;
  std::int64_t kernelHeight = 1, kernelWidth = 1;
  std::int64_t strideY = 1, strideX = 1, dilationY = 1, dilationX = 1, padY = 0, padX = 0;
  bool fixedPadding = true;  ///< whatever the input's size

  std::int64_t pixels() const { return images * outHeight * outWidth; }
  std::int64_t depth() const { return kernelHeight * kernelWidth * inChannels; }
  bool pointwise() const { return kernelHeight == 1 && kernelWidth == 1 && padY == 0 && padX == 0; }
};

/// The same convolution in a form whose input channels fill whole chunks of 16 bytes: channels are
/// filled up, and where a pixel of four (bytes: or eight) fills only a part and the stride is 2,
/// the pixels that lie side by side from every other one on count as one, padding included.
/// Over patches a picture's squares of 2 x 2 pixels ("cells") count as one at a stride of 2, which
/// leaves a stride of 1.
struct ChunkedConv {
  ChunkedConv(const ConvProblem& original, const ConvFamily& family);
  ConvProblem problem;
  int pixels = 1;              ///< of the original width in one
  int lines = 1;               ///< of the original height in one
  int shiftY = 0, shiftX = 0;  ///< taps without weights before the first
  std::int64_t channels = 0;   ///< of a pixel of the original width, filled up
  bool asGiven = false;        ///< the input needs no change
  bool cells() const { return lines > 1; }
};

/// How the kernel over patches sees a convolution, for groups of so many positions.
struct ConvPatch {
  /// Of a problem whose channels fill whole chunks.
  ConvPatch(const ConvProblem& problem, const ConvTile& tile);
  std::int64_t linePositions = 0;  ///< of a row of pixels and the zeros behind it
  std::int64_t patchLine = 0;      ///< positions of a patch from a row of the kernel to the next
  std::int64_t imageLines = 0;     ///< rows of an image and those of zeros below it
  std::int64_t positions = 0;      ///< of all images
  std::int64_t rows = 0;           ///< positions of a patch
  std::int64_t planeBytes = 0;     ///< of 16 bytes of each
  std::int64_t localBytes = 0;
  std::int64_t copiedChunks = 0;  ///< of each
  std::int64_t passes = 0;        ///< chunks of a patch that a thread copies
};
/// Whether the kernel over patches can compute it.
bool suitsPatches(const ConvProblem& problem, ConvMath math);

/// Output channels of packed weights, and elements between two of them: whole groups, whole stages.
int convWeightRows(std::int64_t channels);
int convWeightRow(std::int64_t depth, ConvMath math);
/// The row of an output channel among the packed weights: such that a thread's results are 8
/// neighbours, or of floats two fours.
int convWeightPlace(ConvMath math, int channel);
/// Rounded to 10 bits of fraction, halves away from zero.
float toTf32(float value);
/// Weights [outputs x inputs x kernel...] in the kernel's order, still as floats; where they have
/// two parts both, the second behind the first matrix or, over patches, behind 8 channels of it.
std::vector<float> packConvWeights(const ConvProblem& original, const ConvTile& tile,
                                   const float* weights);

/// How a problem is cut up: a tile, and how many groups share the depth.
struct ConvCut {
  ConvTile tile;
  int splits = 1;
  std::string text() const;
  static ConvCut parse(const ConvFamily& family, const std::string& text);
};
/// Steps of the depth: stages, or blocks of channels over patches; and those of each of the groups
/// that share it.
std::int64_t convSteps(const ConvTile& tile, const ConvProblem& problem);
int convStepsPerSplit(const ConvCut& cut, const ConvProblem& problem);
std::int64_t convTileCount(const ConvTile& tile, const ConvProblem& problem);
/// The estimated time on a device of so many multiprocessors (figures of an H200).
double convSeconds(const ConvCut& cut, const ConvProblem& problem, int multiprocessors);
/// The cuts that are worth a measurement, the best guess first, with their times.
std::vector<std::pair<ConvCut, double>> convCuts(const ConvFamily& family,
                                                 const ConvProblem& problem, int multiprocessors);

}  // namespace layerwise::opencl
