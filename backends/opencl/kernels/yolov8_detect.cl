// The candidates of one level of YOLOv8's head: a work item a cell. Each side's distance is the
// expectation over the softmax of its bins.
#include "detection_candidates.cl"

typedef struct {
  int total;  // cells of the images
  int height, width, classes, bins;
  int firstImage, firstRow, rows;  // rows: of an image, all levels
  int classChannel, classRow, classPixel;
  int boxChannel, boxRow, boxPixel;
  float stride;
  long classImage, boxImage;
} DetectLevel;

inline float distanceOf(global const T1* logits, int step, int bins) {
  float most = LOAD1(logits, 0);
  for (int j = 1; j < bins; ++j) most = fmax(most, LOAD1(logits, j * step));
  float sum = 0, weighted = 0;
  for (int j = 0; j < bins; ++j) {
    const float e = exp(LOAD1(logits, j * step) - most);
    sum += e;
    weighted += e * j;
  }
  return weighted / sum;
}

kernel void yolov8_candidates(global const T0* map, ulong mapAt, global const T1* distances,
                              ulong distancesAt, global const float* options, ulong optionsAt,
                              global const float* wanted, ulong wantedAt, global ulong* keys,
                              ulong keysAt, global float* boxes, ulong boxesAt,
                              global int* counts, DetectLevel l) {
  const int index = get_global_id(0);
  if (index >= l.total) return;
  const int x = index % l.width, y = index / l.width % l.height;
  const int image = index / (l.width * l.height), row = l.firstRow + y * l.width + x;
  map += mapAt + ((l.firstImage + image) * l.classImage + (long)y * l.classRow +
                  (long)x * l.classPixel);
  if (!addCandidates(map, l.classChannel, l.classes, 1, options + optionsAt, wanted + wantedAt, row,
                     keys + keysAt + (ulong)image * l.rows * l.classes, counts + image))
    return;
  distances += distancesAt + ((l.firstImage + image) * l.boxImage + (long)y * l.boxRow +
                              (long)x * l.boxPixel);
  float sides[4];
  for (int i = 0; i < 4; ++i)
    sides[i] = distanceOf(distances + (long)i * l.bins * l.boxChannel, l.boxChannel, l.bins);
  const float left = x + 0.5f - sides[0], right = x + 0.5f + sides[2];
  const float top = y + 0.5f - sides[1], bottom = y + 0.5f + sides[3];
  vstore4(cornersOf((left + right) / 2 * l.stride, (top + bottom) / 2 * l.stride,
                    (right - left) * l.stride, (bottom - top) * l.stride),
          (long)image * l.rows + row, boxes + boxesAt);
}
