// Pixels of a picture in any layout.
//
// Defines: IN_BITS (8, 16: half or 32: float), PAIRS (pixels side by side lie side by side in memory, two of a cell where
// both may be read at once).
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
