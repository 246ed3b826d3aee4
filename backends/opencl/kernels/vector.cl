// Channels-last tensors 16 bytes at a time, of bytes 8: V is WIDTH neighbouring channels as floats, Raw as they lie in memory.
//
// Defines: BITS of an element, 8, 16 (half) or 32 (float).
#if BITS == 8
#define WIDTH 8
#define LOWEST 0
typedef uchar element;
typedef float8 V;
typedef uchar8 Raw;
Raw loadRaw(global const element* p, ulong at, int aligned) {
  return aligned ? *(global const uchar8*)(p + at) : vload8(0, p + at);
}
V toVector(Raw raw) { return convert_float8(raw); }
void storeVector(V v, global element* p, ulong at, int aligned) {
  const uchar8 bytes = convert_uchar8(v);
  if (aligned)
    *(global uchar8*)(p + at) = bytes;
  else
    vstore8(bytes, 0, p + at);
}
#elif BITS == 16
#define LOWEST -INFINITY
#define WIDTH 8
typedef half element;
typedef float8 V;
typedef ushort8 Raw;
Raw loadRaw(global const element* p, ulong at, int aligned) {
  return aligned ? *(global const ushort8*)(p + at) : vload8(0, (global const ushort*)(p + at));
}
V toVector(Raw raw) { return vload_half8(0, (const half*)&raw); }
void storeVector(V v, global element* p, ulong at, int aligned) {
  if (!aligned) {
    vstore_half8(v, 0, p + at);
    return;
  }
  ushort8 parts;
  vstore_half8(v, 0, (half*)&parts);
  *(global uint4*)(p + at) = as_uint4(parts);
}
#else
#define LOWEST -INFINITY
#define WIDTH 4
typedef float element;
typedef float4 V;
typedef float4 Raw;
Raw loadRaw(global const element* p, ulong at, int aligned) {
  return aligned ? *(global const float4*)(p + at) : vload4(0, p + at);
}
V toVector(Raw raw) { return raw; }
void storeVector(V v, global element* p, ulong at, int aligned) {
  if (aligned)
    *(global float4*)(p + at) = v;
  else
    vstore4(v, 0, p + at);
}
#endif

V loadVector(global const element* p, ulong at, int aligned) { return toVector(loadRaw(p, at, aligned)); }

// A window over two spatial axes, and where its input and output lie.
typedef struct {
  int vectors;  // of the channels
  int inHeight, inWidth, outHeight, outWidth;
  int kernelHeight, kernelWidth;
  int strideY, strideX, dilationY, dilationX, padY, padX;
  int postPadY, postPadX;
  int inRow, inPixel, outRow, outPixel;
  int inAligned, outAligned;
  float alpha, beta;
  int outChannel;  // of an output that is not channels-last
  long inImage, outImage;
} VectorWindow;
