// What the convolutions on NVIDIA devices share: types, geometry, asynchronous copies, conversions.
// Define: TYPE (nvidia_conv.cl).
#include "activation.cl"

// For results that are rounded to half.
float quickSilu(float x) { return x * native_recip(1 + native_exp(-x)); }

#if TYPE == 16
#define ELEMENT_BYTES 2
typedef ushort element;
#else
#define ELEMENT_BYTES 4
typedef float element;
#endif
#define CHUNK (16 / ELEMENT_BYTES)

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
  // Of nvidia_conv_patch.cl: rows of the kernel, positions of a row of pixels, such rows of an image, positions of a patch, bytes of
  // one of its planes.
  int images, kernelHeight, linePositions, imageLines, patchRows, planeBytes;
  int vectors;      // 1: output, 2: residual may be accessed 16 bytes at a time
  int flat;         // 1: output, 2: residual, 4: a pointwise product's input is one long row of pixels
  int residualPlace;  // 0: none, 1: before the activation, 2: after it
  float alpha, beta;
  long inImage, outImage, residualImage;
  int productIn, productOut;  // between the PRODUCTS of nvidia_conv.cl
} ConvGeometry;

// Where an output pixel lies in a tensor. Divisions take longer than the rest of a small tile's end.
long pixelAt(int pixel, bool flat, int imagePixels, int width, long imageStride, int rowStride, int pixelStride) {
  if (flat) return (long)pixel * pixelStride;
  const int image = pixel / imagePixels, inImage = pixel - image * imagePixels;
  const int y = inImage / width, x = inImage - y * width;
  return image * imageStride + (y * rowStride + x * pixelStride);
}

// Unlike fmin and fmax these keep a NaN.
float leastOf(float a, float b) {
  float least;
  asm("min.NaN.f32 %0, %1, %2;" : "=f"(least) : "f"(a), "f"(b));
  return least;
}
float mostOf(float a, float b) {
  float most;
  asm("max.NaN.f32 %0, %1, %2;" : "=f"(most) : "f"(a), "f"(b));
  return most;
}

uint localAddress(local char* p) { return (uint)(ulong)p; }

void copyChunk(uint to, global const char* from, int bytes) {
  asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(bytes) : "memory");
}
void commitCopies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
#define WAIT_COPIES_TEXT(n) asm volatile("cp.async.wait_group " #n ";" ::: "memory")
#define WAIT_COPIES(n) WAIT_COPIES_TEXT(n)
// The tensor cores cut off what TF32 lacks.
uint roundToTf32(uint bits) {
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(as_float(bits)));
  return bits;
}
void roundChunk(uint at) {
  uint v[4];
  asm volatile("ld.shared.v4.b32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v[0]), "=r"(v[1]), "=r"(v[2]), "=r"(v[3])
               : "r"(at)
               : "memory");
#pragma unroll
  for (int e = 0; e < 4; ++e) v[e] = roundToTf32(v[e]);
  asm volatile("st.shared.v4.b32 [%0], {%1, %2, %3, %4};" ::"r"(at), "r"(v[0]), "r"(v[1]), "r"(v[2]), "r"(v[3])
               : "memory");
}

float fromHalf(ushort bits) {
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
  return value;
}
// 8 neighbouring channels of a residual as they lie in memory.
#if TYPE == 16
typedef uint4 residual8;
#else
typedef float8 residual8;
#endif

residual8 loadResidual(global const element* p, bool vectors, int channels) {
#if TYPE == 16
  if (vectors) return *(global const uint4*)p;
  uint parts[8];
#pragma unroll
  for (int e = 0; e < 8; ++e) parts[e] = e < channels ? p[e] : 0;
  return (uint4)(parts[0] | parts[1] << 16, parts[2] | parts[3] << 16, parts[4] | parts[5] << 16,
                 parts[6] | parts[7] << 16);
#else
  if (vectors) return (float8)(*(global const float4*)p, *(global const float4*)(p + 4));
  float parts[8];
#pragma unroll
  for (int e = 0; e < 8; ++e) parts[e] = e < channels ? p[e] : 0;
  return (float8)(parts[0], parts[1], parts[2], parts[3], parts[4], parts[5], parts[6], parts[7]);
#endif
}

void addResidual(float* v, residual8 kept) {
#if TYPE == 16
  v[0] += fromHalf((ushort)kept.x), v[1] += fromHalf((ushort)(kept.x >> 16));
  v[2] += fromHalf((ushort)kept.y), v[3] += fromHalf((ushort)(kept.y >> 16));
  v[4] += fromHalf((ushort)kept.z), v[5] += fromHalf((ushort)(kept.z >> 16));
  v[6] += fromHalf((ushort)kept.w), v[7] += fromHalf((ushort)(kept.w >> 16));
#else
  v[0] += kept.s0, v[1] += kept.s1, v[2] += kept.s2, v[3] += kept.s3;
  v[4] += kept.s4, v[5] += kept.s5, v[6] += kept.s6, v[7] += kept.s7;
#endif
}

uint toHalves(float low, float high) {
  uint bits;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
  return bits;
}
