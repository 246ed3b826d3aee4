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
  long at = (long)chunk * CHUNK;
  float v[CHUNK];
#pragma unroll
  for (int e = 0; e < CHUNK; ++e) {
    const long pixel = (at + e) / g.channels;
    const int c = (int)(at + e - pixel * g.channels);
    const long row = pixel / g.width;
    const int x = (int)(pixel - row * g.width);
    const long image = row / g.height;
    const int y = (int)(row - image * g.height);
    v[e] = 0;
    if (c < g.inChannels && x < g.inWidth)
      v[e] = LOAD(in, inOffset + image * g.inImage + (long)y * g.inRow + x * g.inPixel + c * g.inChannel);
  }
#if OUT_HALF
  vstore_half8((float8)(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7]), chunk, out + outOffset);
#else
  vstore4((float4)(v[0], v[1], v[2], v[3]), chunk, out + outOffset);
#endif
}
