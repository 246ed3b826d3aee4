// One level of YOLOv5's decoded head: a work item a value.
#include "yolov5_head.cl"

typedef struct {
  int total, anchors, height, width, length;  // length: values of a row
  int maskBegin;                              // the first value of a row that stays as it is
  int firstRow;                               // of the level
  int inChannel, inRow, inPixel;
  int outRow;
  float stride;
  long inImage, outImage;
} DecodeLevel;

kernel void decode(global T0* out, ulong outAt, global const T1* map, ulong mapAt,
                   global const float* sizes, const DecodeLevel l) {
  const int index = get_global_id(0);
  if (index >= l.total) return;
  const int c = index % l.length, anchor = index / l.length % l.anchors;
  const int cell = index / (l.length * l.anchors);
  const int x = cell % l.width, y = cell / l.width % l.height, image = cell / (l.width * l.height);
  float v = LOAD1(map + mapAt, image * l.inImage + (long)(anchor * l.length + c) * l.inChannel +
                                   (long)y * l.inRow + x * l.inPixel);
  v = decodedValue(v, c, x, y, sizes + anchor * 2, l.stride, l.maskBegin);
  const long row = l.firstRow + (anchor * l.height + y) * l.width + x;
  STORE0(out + outAt, image * l.outImage + row * l.outRow + c, v);
}
