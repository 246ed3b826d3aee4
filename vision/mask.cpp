#include "layerwise/mask.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "layerwise/error.h"

namespace layerwise {
namespace {

/// PyTorch's bilinear enlargement of one axis, half-pixel centres.
struct Tap {
  int first;
  int second;
  float weight;  // of the second
};

Tap tapOf(int position, int from, int to) {
  const float scale = static_cast<float>(from) / static_cast<float>(to);
  const float at = std::max((static_cast<float>(position) + 0.5f) * scale - 0.5f, 0.0f);
  const int first = std::min(static_cast<int>(at), from - 1);
  return {first, std::min(first + 1, from - 1), at - static_cast<float>(first)};
}

/// The whole numbers n with low <= n < high, within 0...limit.
struct Range {
  int begin;
  int end;
};
Range rangeOf(float low, float high, int limit) {
  const auto bound = [&](float value) {
    const float most = static_cast<float>(limit);
    // min and max in this order take what is not a number for 0.
    return static_cast<int>(std::ceil(std::min(std::max(0.0f, value), most)));
  };
  const int begin = bound(low);
  return {begin, std::max(begin, bound(high))};
}

/// The positions of an axis enlarged from `from` to `to` that can see one of the range.
Range enlarged(Range range, int from, int to) {
  if (range.begin == range.end) return {0, 0};
  const double scale = static_cast<double>(to) / from;
  const int begin = static_cast<int>(std::floor((range.begin - 0.5) * scale - 0.5));
  const int end = static_cast<int>(std::ceil((range.end + 0.5) * scale + 0.5));
  return {std::clamp(begin, 0, to), std::clamp(end, 0, to)};
}

}  // namespace

Mask assembleMask(const MaskPrototypes& prototypes, const float* coefficients, const Box& box,
                  int inputWidth, int inputHeight) {
  const int width = prototypes.width;
  const int height = prototypes.height;
  if (prototypes.channels < 1 || width < 1 || height < 1 || inputWidth < 1 || inputHeight < 1 ||
      std::int64_t{inputWidth} * inputHeight > kMaxImagePixels) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("[mask] {} prototypes of {}x{} for an input of {}x{}",
                            prototypes.channels, width, height, inputWidth, inputHeight));
  }
  const float shrinkX = static_cast<float>(width) / static_cast<float>(inputWidth);
  const float shrinkY = static_cast<float>(height) / static_cast<float>(inputHeight);
  const Range columns = rangeOf(box.x1 * shrinkX, box.x2 * shrinkX, width);
  const Range rows = rangeOf(box.y1 * shrinkY, box.y2 * shrinkY, height);
  const Range outColumns = enlarged(columns, width, inputWidth);
  const Range outRows = enlarged(rows, height, inputHeight);
  Mask mask{outColumns.begin,
            outRows.begin,
            outColumns.end - outColumns.begin,
            outRows.end - outRows.begin,
            {}};
  if (mask.width == 0 || mask.height == 0) return Mask{};

  // Inside the box; outside of it the reference has 0.
  const int across = columns.end - columns.begin;
  const int down = rows.end - rows.begin;
  std::vector<float> small(static_cast<std::size_t>(across) * down, 0.0f);
  for (int c = 0; c < prototypes.channels; ++c) {
    for (int y = 0; y < down; ++y) {
      const float* from =
          prototypes.values + (std::int64_t{c} * height + rows.begin + y) * width + columns.begin;
      float* to = &small[static_cast<std::size_t>(y) * across];
      for (int x = 0; x < across; ++x) to[x] += coefficients[c] * from[x];
    }
  }
  for (float& value : small) value = 1.0f / (1.0f + std::exp(-value));
  const auto at = [&](int y, int x) {
    const bool inside = y >= rows.begin && y < rows.end && x >= columns.begin && x < columns.end;
    return inside ? small[static_cast<std::size_t>(y - rows.begin) * across + x - columns.begin]
                  : 0.0f;
  };

  std::vector<Tap> taps;
  for (int x = outColumns.begin; x < outColumns.end; ++x)
    taps.push_back(tapOf(x, width, inputWidth));
  mask.values.reserve(static_cast<std::size_t>(mask.width) * mask.height);
  for (int y = outRows.begin; y < outRows.end; ++y) {
    const Tap vertical = tapOf(y, height, inputHeight);
    for (const Tap& tap : taps) {
      const auto line = [&](int row) {
        return (1.0f - tap.weight) * at(row, tap.first) + tap.weight * at(row, tap.second);
      };
      const float value =
          (1.0f - vertical.weight) * line(vertical.first) + vertical.weight * line(vertical.second);
      mask.values.push_back(value > 0.5f);
    }
  }
  return mask;
}

Mask maskToImage(const Letterbox& plan, const Mask& mask) {
  const auto edge = [](double network, double pad, double gain, int limit) {
    return std::clamp((network - pad) / gain, 0.0, static_cast<double>(limit));
  };
  Mask result;
  result.left = static_cast<int>(edge(mask.left, plan.padX, plan.gain, plan.imageWidth));
  result.top = static_cast<int>(edge(mask.top, plan.padY, plan.gain, plan.imageHeight));
  const double right = edge(mask.left + mask.width, plan.padX, plan.gain, plan.imageWidth);
  const double bottom = edge(mask.top + mask.height, plan.padY, plan.gain, plan.imageHeight);
  result.width = static_cast<int>(std::ceil(right)) - result.left;
  result.height = static_cast<int>(std::ceil(bottom)) - result.top;
  if (mask.values.empty() || result.width <= 0 || result.height <= 0) return Mask{};

  const auto inside = [&](int y, int x) {
    const bool there = x >= 0 && x < mask.width && y >= 0 && y < mask.height;
    return there ? static_cast<double>(mask.values[std::size_t(y) * mask.width + x]) : 0.0;
  };
  result.values.reserve(static_cast<std::size_t>(result.width) * result.height);
  for (int y = 0; y < result.height; ++y) {
    const double networkY = (result.top + y + 0.5) * plan.gain + plan.padY - 0.5 - mask.top;
    const int row = static_cast<int>(std::floor(networkY));
    const double down = networkY - row;
    for (int x = 0; x < result.width; ++x) {
      const double networkX = (result.left + x + 0.5) * plan.gain + plan.padX - 0.5 - mask.left;
      const int column = static_cast<int>(std::floor(networkX));
      const double across = networkX - column;
      const double upper = (1 - across) * inside(row, column) + across * inside(row, column + 1);
      const double lower =
          (1 - across) * inside(row + 1, column) + across * inside(row + 1, column + 1);
      result.values.push_back((1 - down) * upper + down * lower > 0.5);
    }
  }
  return result;
}

}  // namespace layerwise
