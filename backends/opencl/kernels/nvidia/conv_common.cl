// What the convolutions on NVIDIA devices share: types, geometry, asynchronous copies, conversions.
// Define: TYPE (nvidia/conv.cl), EMULATED (plain OpenCL C instead of PTX, for tests on other devices), FLOAT_OUTPUT (of
// bytes and halves) and FLOAT_RESIDUAL (of bytes), RESIDUAL (0: none, 1: before the activation, 2: after it), VECTORS (1: output, 2: residual may be
// accessed 8 channels at a time, of which there are whole eights), FLAT (1: output, 2: residual, 4: a pointwise product's
// input is one long row of pixels).
#include "activation.cl"
#if TYPE == 8
#include "quantized_finish.cl"
#endif

// For results that are rounded to half.
float quickSilu(float x) { return x * native_recip(1 + native_exp(-x)); }

#if TYPE == 8
#define ELEMENT_BYTES 1
typedef uchar element;
typedef int sum_t;
#elif TYPE == 16
#define ELEMENT_BYTES 2
typedef ushort element;
typedef float sum_t;
#else
#define ELEMENT_BYTES 4
typedef float element;
typedef float sum_t;
#endif
#if FLOAT_OUTPUT
typedef float out_element;
#define OUT_BYTES 4
#else
typedef element out_element;
#define OUT_BYTES ELEMENT_BYTES
#endif
#if FLOAT_RESIDUAL
typedef float residual_element;
#else
typedef element residual_element;
#endif
#define CHUNK (16 / ELEMENT_BYTES)
// Matrices of weights: where numbers are sums of two, each has a second part.
#if TYPE == 57
#define PARTS_OF_WEIGHTS 2
#else
#define PARTS_OF_WEIGHTS 1
#endif

typedef struct {
  int pixels;    // output pixels of all images
  int channels;  // output channels
  int depth;     // taps x input channels
  int imagePixels, width;  // output pixels of an image and of a row
  int inHeight, inWidth, inChannels;
  int kernelWidth;
  int strideY, strideX, dilationY, dilationX, padY, padX;
  int inRow, inPixel;
  int outRow, outPixel;
  int residualRow, residualPixel;
  int weightRow;    // elements between output channels of the packed weights
  int weightRows;   // output channels there, rounded up
  int stepsPerSplit;
  // Of nvidia/conv_patch.cl: rows of the kernel, positions of a row of pixels, such rows of an image, positions of a patch from
  // one row of the kernel to the next, all of them, bytes of one of its planes.
  int images, kernelHeight, linePositions, imageLines, patchLine, patchRows, planeBytes;
  // Of nvidia/conv_picture.cl: pixels, elements from a channel to the next, and of numbers that become bytes 1 / their
  // scale and the zero point.
  int pictureHeight, pictureWidth, pictureChannel;
  float pictureInverse;
  int pictureZero;
  // What quotient takes of these.
  uint perImagePixels, perWidth, perLinePositions, perImageLines, perPatchLine;
  float alpha, beta;
  long inImage, outImage, residualImage;
  int productIn, productOut;  // between the PRODUCTS of nvidia/conv.cl
  // Of bytes: four that stand for the input's zero, and what quantized_finish.cl takes.
  uint outside;
  int outputZero, residualZero;
  float inverse, residualScale;
} ConvGeometry;

// A thread has 8 of 32 channels: neighbours, or two fours such that four threads side by side store whole sectors of memory,
// 32 bytes, with each instruction. The first of them, and how far it is from the first four to the second.
#if ELEMENT_BYTES == 4
#define FIRST_OF_EIGHT(owner) ((owner) * 4)
#define SECOND_FOUR 16
#else
#define FIRST_OF_EIGHT(owner) ((owner) * 8)
#define SECOND_FOUR 4
#endif
#define OF_EIGHT(e) ((e) % 4 + (e) / 4 * SECOND_FOUR)

// A thread's sum for one of its rows and one of 8 channels of a group of them.
#if TYPE != 32
#define SUM_OF(row, group, e) sum[(row) >> 1][(group) * 4 + ((e) >> 1)][((row) & 1) * 2 + ((e) & 1)]
#else
#define SUM_OF(row, group, e) sum[row][e]
#endif

// a / b, where a is not negative, and (2^32 - 1) / b: of that product's upper half one may be missing.
int quotient(int a, int b, uint per) {
  const int q = mul_hi((uint)a, per);
  return a - q * b < b ? q : q + 1;
}

// Where an output pixel lies in a tensor.
#define PIXEL_AT(pixel, flat, imageStride, rowStride, pixelStride) \
  pixelAt(pixel, flat, g.imagePixels, g.perImagePixels, g.width, g.perWidth, imageStride, rowStride, pixelStride)
long pixelAt(int pixel, bool flat, int imagePixels, uint perImagePixels, int width, uint perWidth, long imageStride,
             int rowStride, int pixelStride) {
  if (flat) return (long)pixel * pixelStride;
  const int image = quotient(pixel, imagePixels, perImagePixels), inImage = pixel - image * imagePixels;
  const int y = quotient(inImage, width, perWidth), x = inImage - y * width;
  return image * imageStride + (y * rowStride + x * pixelStride);
}

// What the tensor cores take of a float as a number in TF32, and what they cut off.
uint inTf32(uint bits) { return bits & ~0x1fffu; }
uint leftOf(uint bits) { return as_uint(as_float(bits) - as_float(inTf32(bits))); }

#include "nvidia/ptx.cl"
#include "nvidia/emulated.cl"

// Copies a chunk of the input, or what stands for zero where it lies outside. Bytes are not fetched for that, all from one
// place: one slice of the second-level cache would serve the whole device.
void copyInput(local_address to, global const char* from, bool inside, global const char* anywhere, uint outside) {
#if TYPE == 8
  if (inside)
    copyChunk(to, from, 16);
  else
    storeChunk(to, (uint4)(outside));
#else
  copyChunk(to, inside ? from : anywhere, inside ? 16 : 0);
#endif
}

// The constants of a thread's 8 channels.
void loadConstants(float* to, global const float* from) {
  const float4 low = *(global const float4*)from, high = *(global const float4*)(from + SECOND_FOUR);
  to[0] = low.x, to[1] = low.y, to[2] = low.z, to[3] = low.w;
  to[4] = high.x, to[5] = high.y, to[6] = high.z, to[7] = high.w;
}
