// Patches of nvidia/conv_patch.cl from a picture of at most 4 channels in any layout, for convolutions at stride 2: a
// position is a cell of 2 x 2 pixels, its channels those of the upper left pixel, filled up to 4, of the upper right one, and
// so on below.
//
// Defines: PICTURE (its channels), and those of nvidia/picture_pixels.cl.
#include "nvidia/picture_pixels.cl"
#define PARTS (16 / CHUNK)  // chunks of a cell

// A chunk of the cell at (y, x) of an image, as the picture has it.
void loadCell(float* v, global const picture_t* image, int y, int x, int part, const ConvGeometry g) {
#pragma unroll
  for (int e = 0; e < CHUNK; ++e) v[e] = IN_BITS == 8 ? (float)(g.outside & 255) : 0;
#if ELEMENT_BYTES == 4
  const int row = 2 * y + (part >> 1), column = 2 * x + (part & 1), at = row * g.inRow + column * g.inPixel;
  if (row < g.pictureHeight && column < g.pictureWidth) {
#pragma unroll
    for (int c = 0; c < PICTURE; ++c) v[c] = PIXEL_VALUE(image + at + c * g.pictureChannel);
  }
#else
#define LINES (CHUNK / 8)  // of the cell in a chunk
#pragma unroll
  for (int line = 0; line < LINES; ++line) {
    const int row = 2 * y + part * LINES + line, at = row * g.inRow + 2 * x * g.inPixel;
    if (row < g.pictureHeight) {
#pragma unroll
      for (int c = 0; c < PICTURE; ++c) {
        global const picture_t* p = image + at + c * g.pictureChannel;
#if PAIRS
        const float2 both = PIXEL_PAIR(p);
        v[line * 8 + c] = both.x, v[line * 8 + 4 + c] = both.y;
#else
        v[line * 8 + c] = PIXEL_VALUE(p);
        if (2 * x + 1 < g.pictureWidth) v[line * 8 + 4 + c] = PIXEL_VALUE(p + g.inPixel);
#endif
      }
    }
  }
#endif
}

uint4 packedCell(const float* v, const ConvGeometry g) {
#if TYPE == 8
  uint parts[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    uint bytes[4];
#pragma unroll
    for (int e = 0; e < 4; ++e)
#if IN_BITS == 8
      bytes[e] = (uint)v[4 * i + e];
#else
      bytes[e] = quantizedResult(v[4 * i + e], g.pictureInverse, g.pictureZero) & 255;
#endif
    parts[i] = bytes[0] | bytes[1] << 8 | bytes[2] << 16 | bytes[3] << 24;
  }
  return (uint4)(parts[0], parts[1], parts[2], parts[3]);
#elif TYPE == 16
  return (uint4)(toHalves(v[0], v[1]), toHalves(v[2], v[3]), toHalves(v[4], v[5]), toHalves(v[6], v[7]));
#else
  return (uint4)(as_uint(v[0]), as_uint(v[1]), as_uint(v[2]), as_uint(v[3]));
#endif
}
