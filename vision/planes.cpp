#include "vision/planes.h"

namespace layerwise {

PlaneWriter::PlaneWriter(const PixelNormalization& normalization) {
  for (int c = 0; c < 3; ++c) {
    for (int i = 0; i < 256; ++i) {
      tables_[c][i] =
          (static_cast<float>(i) / 255.0f - normalization.mean[c]) / normalization.deviation[c];
    }
  }
}

void PlaneWriter::write(const std::uint8_t* row, PixelFormat format, int count, float* planes,
                        std::int64_t planeSize, std::int64_t offset) const {
  float* red = planes + offset;
  float* green = red + planeSize;
  float* blue = green + planeSize;
  const int step = channelsOf(format);
  const int redAt = format == PixelFormat::kBgr ? 2 : 0;
  const int greenAt = step == 3 ? 1 : 0;
  const int blueAt = step == 3 ? 2 - redAt : 0;
  for (int x = 0; x < count; ++x, row += step) {
    red[x] = tables_[0][row[redAt]];
    green[x] = tables_[1][row[greenAt]];
    blue[x] = tables_[2][row[blueAt]];
  }
}

}  // namespace layerwise
