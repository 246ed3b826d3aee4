#pragma once

#include <array>
#include <cstdint>

#include "layerwise/preprocess.h"

namespace layerwise {

/// Turns interleaved bytes into float planes red, green, blue through a table of all 256 values,
/// which holds exactly what the float arithmetic of PyTorch gives.
class PlaneWriter {
 public:
  explicit PlaneWriter(const PixelNormalization& normalization);

  /// `count` pixels of a row to plane[c] + offset.
  void write(const std::uint8_t* row, PixelFormat format, int count, float* planes,
             std::int64_t planeSize, std::int64_t offset) const;
  float value(int channel, std::uint8_t byte) const { return tables_[channel][byte]; }

 private:
  std::array<std::array<float, 256>, 3> tables_;
};

}  // namespace layerwise
