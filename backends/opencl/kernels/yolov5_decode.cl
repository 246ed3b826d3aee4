// One level of YOLOv5's decoded head: a work item a value of several cells that follow one another.
//
// Defines beside those of yolov5_head.cl: CELLS, so many of a work item.
#include "yolov5_head.cl"

typedef struct {
  int values;                     // of a cell
  int height, width, length;      // length: values of a row
  int maskBegin;                  // the first value of a row that stays as it is
  int firstRow;                   // of the level
  int inChannel, inRow, inPixel;
  int outRow;
  float stride;
  int unused;
  long inImage, outImage;
} DecodeLevel;

kernel void decode(global T0* out, ulong outAt, global const T1* map, ulong mapAt,
                   global const float* sizes, const DecodeLevel l) {
  const int value = get_global_id(0), image = get_global_id(2);
  if (value >= l.values) return;
  const int anchor = value / l.length, c = value - anchor * l.length;
  const int first = get_global_id(1) * CELLS, firstY = first / l.width, firstX = first - firstY * l.width;
  float v[CELLS];
  int x = firstX, y = firstY;
#pragma unroll
  for (int i = 0; i < CELLS; ++i) {
    v[i] = 0;
    if (y < l.height)
      v[i] = LOAD1(map + mapAt, image * l.inImage + (long)value * l.inChannel + (long)y * l.inRow + x * l.inPixel);
    if (++x == l.width) x = 0, ++y;
  }
  const long firstRow = l.firstRow + (long)anchor * l.height * l.width + first;
  x = firstX, y = firstY;
#pragma unroll
  for (int i = 0; i < CELLS; ++i) {
    if (y < l.height)
      STORE0(out + outAt, image * l.outImage + (firstRow + i) * l.outRow + c,
             decodedValue(v[i], c, x, y, sizes + anchor * 2, l.stride, l.maskBegin));
    if (++x == l.width) x = 0, ++y;
  }
}
