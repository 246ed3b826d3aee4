// Brings an input of any strides into the form that nvidia/conv.cl reads: dense, channels-last, channels
// filled up with zeros to whole chunks of 16 bytes; or several pixels that lie side by side in each chunk, every
// other pixel beginning one, columns of padding included.
//
// Defines: IN_BITS and OUT_BITS, 8, 16 (half) or 32 (float). Numbers become bytes as layers do it that quantise.
typedef struct {
  int chunks;                   // of the result
  int height, width, channels;  // of the result; channels of a pixel, be it one of several in a chunk
  int inWidth, inChannels;
  int inRow, inPixel, inChannel;
  int outside;  // what padding reads
  long inImage;
  int step, padX;  // pixels from a chunk to the next, pixels of padding before the first one
  float inverse, zero;  // of numbers that become bytes: 1 / their scale, and the zero point
} GatherGeometry;

#if OUT_BITS == 8
typedef uchar out_t;
#define STORE_CHUNK(v, at, p) \
  vstore16(convert_uchar16((values16)(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8], v[9], v[10], v[11], v[12], v[13], v[14], v[15])), at, p)
#elif OUT_BITS == 16
typedef half out_t;
#define STORE_CHUNK(v, at, p) vstore_half8((float8)(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7]), at, p)
#else
typedef float out_t;
#define STORE_CHUNK(v, at, p) vstore4((float4)(v[0], v[1], v[2], v[3]), at, p)
#endif
#define CHUNK (128 / OUT_BITS)
#if OUT_BITS == 8 && IN_BITS != 8
#define VALUE(x) clamp(rint((x) * g.inverse) + g.zero, 0.0f, 255.0f)
#else
#define VALUE(x) (x)
#endif
#if IN_BITS == 8
#define LOAD(p, i) (p)[i]
typedef uchar in_t;
typedef int value_t;
typedef int16 values16;
#elif IN_BITS == 16
#define LOAD(p, i) vload_half(i, p)
typedef half in_t;
typedef float value_t;
typedef float16 values16;
#else
#define LOAD(p, i) (p)[i]
typedef float in_t;
typedef float value_t;
typedef float16 values16;
#endif

kernel void gather(global const in_t* in, ulong inOffset, global out_t* out, ulong outOffset,
                   const GatherGeometry g) {
  const int chunk = get_global_id(0);
  if (chunk >= g.chunks) return;
  // A chunk holds some channels of one pixel, or all of several pixels.
  const int parts = max(1, g.channels / CHUNK);
  const uint pixel = (uint)chunk / parts, row = pixel / g.width, image = row / g.height;
  const int first = (int)(pixel - row * g.width) * g.step - g.padX, c = ((uint)chunk % parts) * CHUNK;
  global const in_t* from = in + inOffset + image * g.inImage + (long)(row - image * g.height) * g.inRow;
  value_t v[CHUNK];
#pragma unroll
  for (int e = 0; e < CHUNK; ++e) {
    const int next = g.channels < CHUNK ? e / g.channels : 0, channel = c + e - next * g.channels, x = first + next;
    const bool inside = (uint)x < (uint)g.inWidth && channel < g.inChannels;
    v[e] = inside ? VALUE(LOAD(from, (long)x * g.inPixel + (long)channel * g.inChannel)) : g.outside;
  }
  STORE_CHUNK(v, chunk, out + outOffset);
}
