#pragma once

#include <cstdint>

namespace layerwise {

/// A rectangle by its corners, in pixels; x1 <= x2 and y1 <= y2 are not enforced.
struct Box {
  float x1 = 0.0f;
  float y1 = 0.0f;
  float x2 = 0.0f;
  float y2 = 0.0f;
};

/// A position in pixels.
struct Point {
  float x = 0.0f;
  float y = 0.0f;
};

/// One object that a network found.
struct Detection {
  Box box;
  float score = 0.0f;
  int classId = 0;
  /// The row of the network's output that it came from: its mask coefficients are there.
  std::int64_t row = -1;
};

}  // namespace layerwise
