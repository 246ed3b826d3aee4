#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "vision/resize.h"

// OpenCV's 8-bit bilinear resize (modules/imgproc/src/resize.cpp): weights of 11 bits, the
// horizontal pass first, its sums shortened by 4 bits so that they fit 16 bits.

namespace layerwise {
namespace {

constexpr int kWeightOne = 2048;

/// Source position and weights of the output positions along one axis.
struct LinearAxis {
  std::vector<int> source;           // may be -1 on the vertical axis
  std::vector<std::int16_t> weight;  // two per output
};

LinearAxis linearAxis(int from, int to, bool areaPhase, bool clampPhase) {
  LinearAxis axis;
  axis.source.resize(static_cast<std::size_t>(to));
  axis.weight.resize(static_cast<std::size_t>(to) * 2);
  const double inverse = static_cast<double>(to) / from;
  const double scale = 1.0 / inverse;
  for (int i = 0; i < to; ++i) {
    int source;
    float fraction;
    if (areaPhase) {
      source = static_cast<int>(std::floor(i * scale));
      fraction = static_cast<float>((i + 1) - (source + 1) * inverse);
      fraction = fraction <= 0 ? 0.0f : fraction - std::floor(fraction);
    } else {
      fraction = static_cast<float>((i + 0.5) * scale - 0.5);
      source = static_cast<int>(std::floor(fraction));
      fraction -= static_cast<float>(source);
    }
    if (clampPhase && source < 0) source = 0, fraction = 0.0f;
    if (clampPhase && source >= from - 1) source = from - 1, fraction = 0.0f;
    axis.source[i] = source;
    axis.weight[2 * i] = static_cast<std::int16_t>(std::lrint((1.0f - fraction) * kWeightOne));
    axis.weight[2 * i + 1] = static_cast<std::int16_t>(std::lrint(fraction * kWeightOne));
  }
  return axis;
}

template <int kChannels>
void interpolateRow(const std::uint8_t* row, int fromWidth, const LinearAxis& axis, int width,
                    std::int16_t* to) {
  for (int x = 0; x < width; ++x, to += kChannels) {
    const int a = axis.weight[2 * x];
    const int b = axis.weight[2 * x + 1];
    const std::uint8_t* left = row + axis.source[x] * kChannels;
    // At the last column the second weight is 0; stay inside the row all the same.
    const std::uint8_t* right = left + (axis.source[x] + 1 < fromWidth ? kChannels : 0);
    for (int c = 0; c < kChannels; ++c) {
      to[c] = static_cast<std::int16_t>((left[c] * a + right[c] * b) >> 4);
    }
  }
}

}  // namespace

void resizeRowsLinear(const ImageView& image, int width, int height, bool areaPhase,
                      const RowSink& sink) {
  const int channels = channelsOf(image.format);
  const LinearAxis columns = linearAxis(image.width, width, areaPhase, true);
  const LinearAxis rows = linearAxis(image.height, height, areaPhase, false);
  const std::size_t values = static_cast<std::size_t>(width) * channels;

  // The two source rows in use, each interpolated once.
  std::vector<std::int16_t> lines[2] = {std::vector<std::int16_t>(values),
                                        std::vector<std::int16_t>(values)};
  int held[2] = {-1, -1};
  const auto line = [&](int y, int keep) {
    for (int i : {0, 1}) {
      if (held[i] == y) return i;
    }
    const int slot = held[0] == keep ? 1 : 0;
    if (channels == 3) {
      interpolateRow<3>(image.row(y), image.width, columns, width, lines[slot].data());
    } else {
      interpolateRow<1>(image.row(y), image.width, columns, width, lines[slot].data());
    }
    held[slot] = y;
    return slot;
  };

  std::vector<std::uint8_t> result(values);
  for (int y = 0; y < height; ++y) {
    const int upper = std::clamp(rows.source[y], 0, image.height - 1);
    const int lower = std::clamp(rows.source[y] + 1, 0, image.height - 1);
    const int upperSlot = line(upper, lower);
    const int lowerSlot = line(lower, upper);
    const std::int16_t* above = lines[upperSlot].data();
    const std::int16_t* below = lines[lowerSlot].data();
    const std::int16_t a = rows.weight[2 * y];
    const std::int16_t b = rows.weight[2 * y + 1];
    for (std::size_t i = 0; i < values; ++i) {
      const auto high = static_cast<std::int16_t>((above[i] * a) >> 16);
      const auto low = static_cast<std::int16_t>((below[i] * b) >> 16);
      result[i] = static_cast<std::uint8_t>((high + low + 2) >> 2);
    }
    sink(y, result.data());
  }
}

}  // namespace layerwise
