// Patches of nvidia_conv_patch.cl from a picture of at most 4 channels in any layout, for convolutions at stride 2: a
// position is a cell of 2 x 2 pixels, its channels those of the upper left pixel, filled up to 4, of the upper right one, and
// so on below.
//
// Defines: PICTURE (its channels), IN_BITS (8, 16: half or 32: float), PAIRS (pixels side by side lie side by side
// in memory, two of a cell where both may be read at once).
#if IN_BITS == 16
typedef half picture_t;
#define PIXEL_VALUE(p) vload_half(0, p)
#define PIXEL_PAIR(p) vload_half2(0, p)
#elif IN_BITS == 8
typedef uchar picture_t;
#define PIXEL_VALUE(p) (float)*(p)
#define PIXEL_PAIR(p) (float2)((p)[0], (p)[1])
#else
typedef float picture_t;
#define PIXEL_VALUE(p) *(p)
#define PIXEL_PAIR(p) *(global const float2*)(p)
#endif
#if TYPE == 8 && IN_BITS != 8
#define AS_ELEMENT(x) clamp(rint((x) * g.pictureInverse) + g.pictureZero, 0.0f, 255.0f)
#else
#define AS_ELEMENT(x) (x)
#endif
#define PARTS (16 / CHUNK)  // chunks of a cell

// A chunk of the cell at (y, x) of an image, as numbers.
void loadCell(float* v, global const picture_t* image, int y, int x, int part, const ConvGeometry g) {
  const float outside = (float)(g.outside & 255);
#pragma unroll
  for (int e = 0; e < CHUNK; ++e) v[e] = outside;
#pragma unroll
  for (int e = 0; e < CHUNK; ++e) {
    const int at = part * CHUNK + e, row = 2 * y + (at >> 3), column = 2 * x + ((at >> 2) & 1);
    if ((e & 3) >= PICTURE) continue;
    global const picture_t* p = image + (long)row * g.inRow + (long)column * g.inPixel + (e & 3) * g.pictureChannel;
#if PAIRS && TYPE != 19
    if (e & 4) continue;
    if (row < g.pictureHeight) {
      const float2 both = PIXEL_PAIR(p);
      v[e] = AS_ELEMENT(both.x), v[e + 4] = AS_ELEMENT(both.y);
    }
#else
    if (row < g.pictureHeight && column < g.pictureWidth) v[e] = AS_ELEMENT(PIXEL_VALUE(p));
#endif
  }
}

uint4 packedCell(const float* v) {
#if TYPE == 8
  uint parts[4];
#pragma unroll
  for (int e = 0; e < 4; ++e)
    parts[e] = (uint)v[4 * e] | (uint)v[4 * e + 1] << 8 | (uint)v[4 * e + 2] << 16 | (uint)v[4 * e + 3] << 24;
  return (uint4)(parts[0], parts[1], parts[2], parts[3]);
#elif TYPE == 16
  return (uint4)(toHalves(v[0], v[1]), toHalves(v[2], v[3]), toHalves(v[4], v[5]), toHalves(v[6], v[7]));
#else
  return (uint4)(roundToTf32(as_uint(v[0])), roundToTf32(as_uint(v[1])), roundToTf32(as_uint(v[2])),
                 roundToTf32(as_uint(v[3])));
#endif
}
