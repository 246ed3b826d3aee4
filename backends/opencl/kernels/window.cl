// Tensors N x C x up to three spatial axes, and windows over them. Mirrors window.h.
typedef struct {
  int n, c, z, y, x;
} Strides;
typedef struct {
  int batch, channels;
  int in[3], kernel_[3], stride[3], pad[3], postPad[3], dilation[3], out[3];
} Window;
typedef struct {
  int n, c, z, y, x;
} Place;

// Output element `index`, in memory order: the channel innermost, or the column.
inline Place placeOf(int index, int channels, int depth, int height, int width, int channelsLast) {
  Place p;
  int rest;
#define TAKE(field, size)          \
  rest = index / (size);           \
  p.field = index - rest * (size); \
  index = rest;
  if (channelsLast) {
    TAKE(c, channels)
    TAKE(x, width)
    TAKE(y, height)
    TAKE(z, depth)
    p.n = index;
  } else {
    TAKE(x, width)
    TAKE(y, height)
    TAKE(z, depth)
    TAKE(c, channels)
    p.n = index;
  }
#undef TAKE
  return p;
}

inline int offsetOf(const Strides* s, int n, int c, int z, int y, int x) {
  return n * s->n + c * s->c + z * s->z + y * s->y + x * s->x;
}
