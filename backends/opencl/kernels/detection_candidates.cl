// What a head's kernel does with a box whose classes it has: those that exceed the confidence go to their
// image's list, in no order; detection_sort.cl takes it from there.
#include "activation.cl"

// A score and where it is from, such that the better of two candidates is the larger number: the
// higher score, the lower row, the lower class.
inline ulong keyOf(float score, int row, int label, int classes) {
  return (ulong)as_uint(score) << 32 | (0xffffffffu - ((uint)row * (uint)classes + (uint)label));
}

// `logits` of the classes lie `step` apart. `options` are those of the plugin, `wanted` its class
// filter. Says whether there is any candidate.
inline bool addCandidates(global const T0* logits, long step, int classes, float objectness,
                          global const float* options, global const float* wanted, int row,
                          global ulong* keys, global int* count) {
  const float confidence = options[0];
  const bool several = options[4] == 1 && classes > 1;
  int best = 0;
  float bestScore = 0;
  bool found = false;
  for (int c = 0; c < classes; ++c) {
    const float score = sigmoidOf(LOAD0(logits, c * step)) * objectness;
    if (several) {
      if (!(score > confidence) || wanted[c] == 0) continue;
      keys[atomic_inc(count)] = keyOf(score, row, c, classes);
      found = true;
    } else if (c == 0 || bestScore < score) {
      best = c, bestScore = score;
    }
  }
  if (!several && bestScore > confidence && wanted[best] != 0) {
    keys[atomic_inc(count)] = keyOf(bestScore, row, best, classes);
    found = true;
  }
  return found;
}

// The corners as nonMaxSuppression computes them.
inline float4 cornersOf(float centreX, float centreY, float width, float height) {
  return (float4)(centreX - width / 2, centreY - height / 2, centreX + width / 2,
                  centreY + height / 2);
}
