// Brings an input of any strides into the form that nvidia_conv.cl reads: dense, channels-last, channels
// filled up with zeros to whole chunks of 16 bytes; also the columns, where two pixels share a chunk.
//
// Defines: IN_HALF and OUT_HALF, 1 for half, 0 for float.
typedef struct {
  int chunks;            // of the result
  int height, width, channels;  // of the result
  int inWidth, inChannels;
  int inRow, inPixel, inChannel;
  long inImage;
} GatherGeometry;

#if OUT_HALF
#define CHUNK 8
typedef half out_t;
#else
#define CHUNK 4
typedef float out_t;
#endif
#if IN_HALF
#define LOAD(p, i) vload_half(i, p)
typedef half in_t;
#else
#define LOAD(p, i) (p)[i]
typedef float in_t;
#endif

kernel void gather(global const in_t* in, ulong inOffset, global out_t* out, ulong outOffset,
                   const GatherGeometry g) {
  const int chunk = get_global_id(0);
  if (chunk >= g.chunks) return;
  // A chunk holds some channels of one pixel, or all of several pixels that lie side by side.
  const int pixels = max(1, CHUNK / g.channels), parts = max(1, g.channels / CHUNK);
  const uint first = (uint)chunk / parts * pixels, row = first / g.width;
  const int x = first - row * g.width, c = ((uint)chunk % parts) * CHUNK;
  const uint image = row / g.height;
  global const in_t* from = in + inOffset + image * g.inImage + (long)(row - image * g.height) * g.inRow;
  float v[CHUNK];
#pragma unroll
  for (int e = 0; e < CHUNK; ++e) {
    const int step = pixels > 1 ? e / g.channels : 0, channel = c + e - step * g.channels;
    v[e] = 0;
    if (channel < g.inChannels && x + step < g.inWidth)
      v[e] = LOAD(from, (long)(x + step) * g.inPixel + (long)channel * g.inChannel);
  }
#if OUT_HALF
  vstore_half8((float8)(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7]), chunk, out + outOffset);
#else
  vstore4((float4)(v[0], v[1], v[2], v[3]), chunk, out + outOffset);
#endif
}
