#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "vision/resize.h"

// PIL's 8-bit BILINEAR resampling (src/libImaging/Resample.c): a triangle as wide as the shrinking
// asks for, weights of 22 bits, a horizontal pass into 8 bits and then a vertical one, each left
// out where that side keeps its length.

namespace layerwise {
namespace {

constexpr int kWeightBits = 32 - 8 - 2;

/// `taps` weights for every output, beginning at source position first[i]; count[i] of them are
/// used.
struct TriangleAxis {
  int taps = 0;
  std::vector<int> first;
  std::vector<int> count;
  std::vector<std::int32_t> weight;
};

TriangleAxis triangleAxis(int from, int to) {
  const double scale = static_cast<double>(from) / to;
  const double support = std::max(scale, 1.0);
  const double inverse = 1.0 / support;
  TriangleAxis axis;
  axis.taps = static_cast<int>(std::ceil(support)) * 2 + 1;
  axis.first.resize(static_cast<std::size_t>(to));
  axis.count.resize(static_cast<std::size_t>(to));
  axis.weight.resize(static_cast<std::size_t>(to) * axis.taps);
  std::vector<double> weights(static_cast<std::size_t>(axis.taps));
  for (int i = 0; i < to; ++i) {
    const double center = (i + 0.5) * scale;
    const int begin = std::max(static_cast<int>(center - support + 0.5), 0);
    const int end = std::min(static_cast<int>(center + support + 0.5), from);
    double sum = 0.0;
    for (int j = begin; j < end; ++j) {
      const double distance = std::abs((j - center + 0.5) * inverse);
      weights[j - begin] = distance < 1.0 ? 1.0 - distance : 0.0;
      sum += weights[j - begin];
    }
    axis.first[i] = begin;
    axis.count[i] = end - begin;
    for (int j = 0; j < end - begin; ++j) {
      const double weight = sum != 0.0 ? weights[j] / sum : weights[j];
      axis.weight[static_cast<std::size_t>(i) * axis.taps + j] =
          static_cast<std::int32_t>(0.5 + weight * (1 << kWeightBits));
    }
  }
  return axis;
}

std::uint8_t toByte(std::int32_t sum) {
  return static_cast<std::uint8_t>(std::clamp(sum >> kWeightBits, 0, 255));
}

constexpr std::int32_t kHalf = 1 << (kWeightBits - 1);

template <int kChannels>
void resampleRow(const std::uint8_t* row, const TriangleAxis& axis, int width, std::uint8_t* to) {
  for (int x = 0; x < width; ++x, to += kChannels) {
    const std::int32_t* weight = &axis.weight[static_cast<std::size_t>(x) * axis.taps];
    const std::uint8_t* from = row + axis.first[x] * kChannels;
    std::int32_t sums[kChannels];
    for (int c = 0; c < kChannels; ++c) sums[c] = kHalf;
    for (int j = 0; j < axis.count[x]; ++j, from += kChannels) {
      for (int c = 0; c < kChannels; ++c) sums[c] += from[c] * weight[j];
    }
    for (int c = 0; c < kChannels; ++c) to[c] = toByte(sums[c]);
  }
}

}  // namespace

void resizeRowsAntialias(const ImageView& image, int width, int height, const RowSink& sink) {
  const int channels = channelsOf(image.format);
  const std::size_t values = static_cast<std::size_t>(width) * channels;
  const TriangleAxis columns = triangleAxis(image.width, width);
  const TriangleAxis rows = triangleAxis(image.height, height);

  // A ring of resampled source rows, as many as an output row needs.
  std::vector<std::uint8_t> ring(values * rows.taps);
  int done = 0;
  const auto line = [&](int y) -> const std::uint8_t* {
    if (width == image.width) return image.row(y);
    std::uint8_t* slot = &ring[values * (y % rows.taps)];
    if (y >= done) {
      if (channels == 3) {
        resampleRow<3>(image.row(y), columns, width, slot);
      } else {
        resampleRow<1>(image.row(y), columns, width, slot);
      }
      done = y + 1;
    }
    return slot;
  };

  std::vector<std::int32_t> sums(values);
  std::vector<std::uint8_t> result(values);
  for (int y = 0; y < height; ++y) {
    if (height == image.height) {
      sink(y, line(y));
      continue;
    }
    std::fill(sums.begin(), sums.end(), kHalf);
    for (int j = 0; j < rows.count[y]; ++j) {
      const std::uint8_t* from = line(rows.first[y] + j);
      const std::int32_t weight = rows.weight[static_cast<std::size_t>(y) * rows.taps + j];
      for (std::size_t i = 0; i < values; ++i) sums[i] += from[i] * weight;
    }
    for (std::size_t i = 0; i < values; ++i) result[i] = toByte(sums[i]);
    sink(y, result.data());
  }
}

}  // namespace layerwise
