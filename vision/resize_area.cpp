#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "vision/resize.h"

// OpenCV's INTER_AREA for 8 bits (modules/imgproc/src/resize.cpp): whole ratios by integer sums,
// others by weighted float sums in the order of that file, which decides the last bit.

namespace layerwise {
namespace {

struct AreaTap {
  int target;
  int source;
  float weight;
};

std::vector<AreaTap> areaTaps(int from, int to, double scale) {
  constexpr double kNegligible = 1e-3;
  std::vector<AreaTap> taps;
  for (int i = 0; i < to; ++i) {
    const double begin = i * scale;
    const double end = begin + scale;
    const double cell = std::min(scale, from - begin);
    const int last = std::min(static_cast<int>(std::floor(end)), from - 1);
    const int first = std::min(static_cast<int>(std::ceil(begin)), last);
    if (first - begin > kNegligible) {
      taps.push_back({i, first - 1, static_cast<float>((first - begin) / cell)});
    }
    for (int j = first; j < last; ++j) taps.push_back({i, j, static_cast<float>(1.0 / cell)});
    if (end - last > kNegligible) {
      const double covered = std::min(std::min(end - last, 1.0), cell);
      taps.push_back({i, last, static_cast<float>(covered / cell)});
    }
  }
  return taps;
}

std::uint8_t toByte(float value) {
  return static_cast<std::uint8_t>(std::clamp(std::lrint(value), 0l, 255l));
}

void averageBlocks(const ImageView& image, int width, int height, int across, int down,
                   const RowSink& sink) {
  const int channels = channelsOf(image.format);
  const float scale = 1.0f / static_cast<float>(across * down);
  const std::size_t values = static_cast<std::size_t>(width) * channels;
  std::vector<std::int32_t> sums(values);
  std::vector<std::uint8_t> result(values);
  for (int y = 0; y < height; ++y) {
    std::fill(sums.begin(), sums.end(), 0);
    for (int dy = 0; dy < down; ++dy) {
      const std::uint8_t* row = image.row(y * down + dy);
      for (int x = 0; x < width; ++x) {
        for (int dx = 0; dx < across; ++dx, row += channels) {
          for (int c = 0; c < channels; ++c) sums[x * channels + c] += row[c];
        }
      }
    }
    if (across == 2 && down == 2) {
      for (std::size_t i = 0; i < values; ++i) {
        result[i] = static_cast<std::uint8_t>((sums[i] + 2) >> 2);
      }
    } else {
      for (std::size_t i = 0; i < values; ++i) {
        result[i] = toByte(static_cast<float>(sums[i]) * scale);
      }
    }
    sink(y, result.data());
  }
}

}  // namespace

void resizeRowsArea(const ImageView& image, int width, int height, const RowSink& sink) {
  constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
  const double scaleX = 1.0 / (static_cast<double>(width) / image.width);
  const double scaleY = 1.0 / (static_cast<double>(height) / image.height);
  if (scaleX < 1.0 || scaleY < 1.0) {
    resizeRowsLinear(image, width, height, true, sink);
    return;
  }
  // Not by the remainder: a quotient that misses its whole number by a bit goes the other way.
  const int across = static_cast<int>(std::lrint(scaleX));
  const int down = static_cast<int>(std::lrint(scaleY));
  if (std::abs(scaleX - across) < kEpsilon && std::abs(scaleY - down) < kEpsilon) {
    averageBlocks(image, width, height, across, down, sink);
    return;
  }
  const int channels = channelsOf(image.format);
  const std::vector<AreaTap> columns = areaTaps(image.width, width, scaleX);
  const std::vector<AreaTap> rows = areaTaps(image.height, height, scaleY);
  const std::size_t values = static_cast<std::size_t>(width) * channels;
  std::vector<float> line(values);
  std::vector<float> sums(values, 0.0f);
  std::vector<std::uint8_t> result(values);
  const auto emit = [&](int y) {
    for (std::size_t i = 0; i < values; ++i) result[i] = toByte(sums[i]);
    sink(y, result.data());
  };
  int heldRow = -1;
  for (std::size_t k = 0; k < rows.size(); ++k) {
    const AreaTap& tap = rows[k];
    if (tap.source != heldRow) {
      std::fill(line.begin(), line.end(), 0.0f);
      const std::uint8_t* row = image.row(tap.source);
      for (const AreaTap& column : columns) {
        for (int c = 0; c < channels; ++c) {
          line[column.target * channels + c] +=
              static_cast<float>(row[column.source * channels + c]) * column.weight;
        }
      }
      heldRow = tap.source;
    }
    const bool first = k == 0 || rows[k - 1].target != tap.target;
    if (first && k > 0) emit(rows[k - 1].target);
    if (first) {
      for (std::size_t i = 0; i < values; ++i) sums[i] = tap.weight * line[i];
    } else {
      for (std::size_t i = 0; i < values; ++i) sums[i] += tap.weight * line[i];
    }
  }
  emit(rows.back().target);
}

}  // namespace layerwise
