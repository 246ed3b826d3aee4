// nonMaxSuppression (layerwise/nms.h) of sorted candidates (detection_sort.cl), to the bit: each one is
// kept that does not overlap a better one. One work group of GROUP items an image.
#pragma OPENCL FP_CONTRACT OFF

typedef struct {
  int classes, masks, capacity, rows;
  int firstImage, countStride;
  long detectionImage, detectionRow;
} Suppression;

// DetectionOutput::read's and nonMaxSuppression's checks of the options.
inline int faultOf(float confidence, float iou, float most, float agnostic, float several,
                   int capacity) {
  if (!(most >= 1 && most <= capacity)) return 1;
  if (agnostic != 0 && agnostic != 1) return 2;
  if (several != 0 && several != 1) return 3;
  if (!(confidence >= 0 && confidence <= 1)) return 4;
  if (!(iou >= 0 && iou <= 1)) return 5;
  return 0;
}

// The largest float that is not above the shortest decimal number that rounds to `value`, which is
// the number that was meant: `value` itself or the one below. (Of 0...1; to the bit from 2^-10 on.)
inline float limitOf(float value) {
  const uint bits = as_uint(value);
  const int down = 150 - (int)(bits >> 23);  // value = fraction / 2^down
  if (down < 23 || down > 34) return value;
  const ulong fraction = (bits & 0x7fffff) | 0x800000, one = (ulong)1 << down;
  for (ulong tens = 10; tens <= 1000000000000; tens *= 10) {
    const ulong exact = fraction * tens, next = (exact + one / 2) >> down;
    const ulong decimal = next - (next % 2 && (next << down) - exact == one / 2);  // to even
    const ulong rounded = decimal << down;
    const ulong error = rounded > exact ? rounded - exact : exact - rounded;
    // Below a power of two, floats lie half as far apart.
    const ulong reach = fraction == 0x800000 && rounded < exact ? tens / 2 : tens;
    if (error * 2 < reach || (error * 2 == reach && fraction % 2 == 0))
      return rounded >= exact ? value : as_float(bits - 1);
  }
  return value;
}

inline float areaOf(float4 box) { return (box.z - box.x) * (box.w - box.y); }
inline float lesser(float a, float b) { return b < a ? b : a; }
inline float greater(float a, float b) { return a < b ? b : a; }
inline bool overlaps(float4 kept, float4 box, float limit) {
  const float width = greater(lesser(kept.z, box.z) - greater(kept.x, box.x), 0);
  const float height = greater(lesser(kept.w, box.w) - greater(kept.y, box.y), 0);
  const float both = width * height;
  return both / (areaOf(kept) + areaOf(box) - both) > limit;
}

// Row * classes + class of a candidate.
#define PLACE_OF(key) (0xffffffffu - (uint)(key))

kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void suppress(
    global int* count, ulong countAt, global float* detections, ulong detectionsAt,
    global const float* options, ulong optionsAt, global const ulong* sorted,
    ulong sortedAt, global const float* boxes, ulong boxesAt,
    global const float* masks, ulong masksAt, global float* keptBoxes, ulong keptBoxesAt,
    global int* keptClasses, ulong keptClassesAt, global int* counts, global int* failures,
    ulong failuresAt, Suppression s) {
  local float lows[GROUP], highs[GROUP];
  local float4 blockBoxes[GROUP];
  local int blockClasses[GROUP], alive[GROUP];
  const int item = get_local_id(0), image = get_group_id(0);
  options += optionsAt;
  sorted += sortedAt + (ulong)image * SORTED_KEYS;
  boxes += boxesAt;
  keptBoxes += keptBoxesAt;
  keptClasses += keptClassesAt;
  detections += detectionsAt + (s.firstImage + image) * s.detectionImage;
  const int fault = faultOf(options[0], options[1], options[2], options[3], options[4], s.capacity);
  const int candidates = min(counts[image], MAX_CANDIDATES);
  barrier(CLK_GLOBAL_MEM_FENCE);
  if (item == 0) {
    counts[image] = 0;
    if (fault) failures[failuresAt] = fault;
  }

  // Whether boxes of two classes can meet in spite of the offset between classes.
  float low = 0, high = 0;
  for (int i = item; i < candidates; i += GROUP) {
    const float4 box =
        vload4((long)image * s.rows + PLACE_OF(sorted[i]) / (uint)s.classes, boxes);
    low = lesser(lesser(low, box.x), box.z);
    high = greater(greater(high, box.x), box.z);
  }
  lows[item] = low, highs[item] = high;
  barrier(CLK_LOCAL_MEM_FENCE);
  for (int i = 0; i < GROUP; ++i) {
    low = lesser(low, lows[i]);
    high = greater(high, highs[i]);
  }
  const bool agnostic = options[3] == 1;
  const bool together = agnostic || !(high - low < CLASS_OFFSET - 1);
  const float limit = limitOf(options[1]);
  const int most = fault ? 0 : (int)options[2];

  // A block of candidates at a time: an item compares its own with all kept so far, then each that
  // is left keeps itself and drops those behind it.
  keptBoxes += (long)image * s.capacity * 4;
  keptClasses += (long)image * s.capacity;
  const int values = 6 + s.masks;
  int kept = 0;
  for (int first = 0; first < candidates && kept < most; first += GROUP) {
    const bool exists = first + item < candidates;
    const ulong key = exists ? sorted[first + item] : 0;
    const uint place = exists ? PLACE_OF(key) : 0;
    const int label = (int)(place % (uint)s.classes);
    const long row = (long)image * s.rows + place / (uint)s.classes;
    const float4 box = exists ? vload4(row, boxes) : (float4)(0);
    const float4 apart = box + (agnostic ? 0 : label * CLASS_OFFSET);
    int own = exists;
    for (int k = 0; k < kept && own; ++k)
      if ((together || keptClasses[k] == label) && overlaps(vload4(k, keptBoxes), apart, limit))
        own = 0;
    blockBoxes[item] = apart;
    blockClasses[item] = label;
    alive[item] = own;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int j = 0; j < GROUP && kept < most; ++j) {
      if (alive[j]) {
        if (item == j) {
          vstore4(apart, kept, keptBoxes);
          keptClasses[kept] = label;
          global float* to = detections + kept * s.detectionRow;
          vstore4(box, 0, to);
          to[4] = as_float((uint)(key >> 32));
          to[5] = label;
          for (int m = 0; m < s.masks; ++m) to[6 + m] = masks[masksAt + row * s.masks + m];
        }
        if (item > j && alive[item] && (together || label == blockClasses[j]) &&
            overlaps(blockBoxes[j], apart, limit))
          alive[item] = 0;
        ++kept;
        barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
      }
    }
    barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
  }
  if (item == 0) count[countAt + (s.firstImage + image) * s.countStride] = kept;
  for (int i = kept * values + item; i < s.capacity * values; i += GROUP)
    detections[i / values * s.detectionRow + i % values] = 0;
}
