// The candidates of one level of YOLOv5's head: a work item an anchor of a cell.
#include "yolov5_head.cl"
#include "detection_candidates.cl"

typedef struct {
  int total;  // anchors of cells of the images
  int anchors, height, width, classes, masks;
  int firstImage, firstRow, rows;  // rows: of an image, all levels
  int inChannel, inRow, inPixel;
  float stride;
  long inImage;
} DetectLevel;

kernel void yolov5_candidates(global const T0* map, ulong mapAt, global const float* options,
                              ulong optionsAt, global const float* wanted, ulong wantedAt,
                              global const float* sizes, global ulong* keys, ulong keysAt,
                              global float* boxes, ulong boxesAt, global float* masks,
                              ulong masksAt, global int* counts, DetectLevel l) {
  const int index = get_global_id(0);
  if (index >= l.total) return;
  const int x = index % l.width, y = index / l.width % l.height;
  const int anchor = index / (l.width * l.height) % l.anchors;
  const int image = index / (l.width * l.height * l.anchors);
  const int begin = anchor * (5 + l.classes + l.masks);
  options += optionsAt;
  map += mapAt + ((l.firstImage + image) * l.inImage + (long)begin * l.inChannel +
                  (long)y * l.inRow + (long)x * l.inPixel);
#define VALUE(c)                                                                           \
  decodedValue(LOAD0(map, (long)(c) * l.inChannel), c, x, y, sizes + anchor * 2, l.stride, \
               5 + l.classes)
  const float objectness = VALUE(4);
  if (!(objectness > options[0])) return;
  const int row = l.firstRow + (anchor * l.height + y) * l.width + x;
  if (!addCandidates(map + 5 * (long)l.inChannel, l.inChannel, l.classes, objectness, options,
                     wanted + wantedAt, row, keys + keysAt + (ulong)image * l.rows * l.classes,
                     counts + image))
    return;
  const long place = (long)image * l.rows + row;
  vstore4(cornersOf(VALUE(0), VALUE(1), VALUE(2), VALUE(3)), place, boxes + boxesAt);
  for (int m = 0; m < l.masks; ++m)
    masks[masksAt + place * l.masks + m] = VALUE(5 + l.classes + m);
}
