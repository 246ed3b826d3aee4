// A value of YOLOv5's decoded head from its map's: boxes in input pixels, sigmoid of objectness and
// classes, mask coefficients (from `maskBegin` on) as they are. `size`: width and height of the
// anchor.
#include "activation.cl"

inline float decodedValue(float v, int c, int x, int y, global const float* size, float stride,
                          int maskBegin) {
  if (c < maskBegin) v = sigmoidOf(v);
  if (c < 2) v = (v * 2 + ((c ? y : x) - 0.5f)) * stride;
  if (c == 2 || c == 3) v = v * 2 * (v * 2) * size[c - 2];
  return v;
}
