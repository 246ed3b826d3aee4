// The candidates of one level of YOLOv5's head: a work item an anchor of a cell. What exceeds the
// confidence goes to its image's list, in no order; detection_suppress.cl takes it from there.
#include "yolov5_head.cl"

typedef struct {
  int total;  // anchors of cells of the images
  int anchors, height, width, classes, masks;
  int firstImage, firstRow, rows;  // rows: of an image, all levels
  int inChannel, inRow, inPixel;
  float stride;
  long inImage;
} DetectLevel;

// A score and where it is from, such that the better of two candidates is the larger number: the
// higher score, the lower row, the lower class.
inline ulong keyOf(float score, int row, int label, int classes) {
  return (ulong)as_uint(score) << 32 | (0xffffffffu - ((uint)row * (uint)classes + (uint)label));
}

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
  map += mapAt + ((l.firstImage + image) * l.inImage + (long)begin * l.inChannel +
                  (long)y * l.inRow + (long)x * l.inPixel);
#define VALUE(c)                                                                                  \
  decodedValue(LOAD0(map, (long)(c) * l.inChannel), c, x, y, sizes + anchor * 2, l.stride, \
               5 + l.classes)
  const float confidence = options[optionsAt], objectness = VALUE(4);
  if (!(objectness > confidence)) return;
  const bool several = options[optionsAt + 4] == 1 && l.classes > 1;
  const int row = l.firstRow + (anchor * l.height + y) * l.width + x;
  keys += keysAt + (ulong)image * l.rows * l.classes;
  wanted += wantedAt;
  int best = 0, found = 0;
  float bestScore = 0;
  for (int c = 0; c < l.classes; ++c) {
    const float score = VALUE(5 + c) * objectness;
    if (several) {
      if (!(score > confidence) || wanted[c] == 0) continue;
      keys[atomic_inc(counts + image)] = keyOf(score, row, c, l.classes);
      found = 1;
    } else if (c == 0 || bestScore < score) {
      best = c, bestScore = score;
    }
  }
  if (!several && bestScore > confidence && wanted[best] != 0) {
    keys[atomic_inc(counts + image)] = keyOf(bestScore, row, best, l.classes);
    found = 1;
  }
  if (!found) return;
  const long place = (long)image * l.rows + row;
  const float centreX = VALUE(0), centreY = VALUE(1), halfX = VALUE(2) / 2, halfY = VALUE(3) / 2;
  vstore4((float4)(centreX - halfX, centreY - halfY, centreX + halfX, centreY + halfY), place,
          boxes + boxesAt);
  for (int m = 0; m < l.masks; ++m)
    masks[masksAt + place * l.masks + m] = VALUE(5 + l.classes + m);
}
