#include "plugins/distance_head.h"

#include <fmt/format.h>

#include <algorithm>

#include "layerwise/error.h"
#include "layerwise/vector_math.h"

namespace layerwise {
namespace {

// Far above any network; keeps the products of a hostile plan's numbers small.
constexpr std::int64_t kMaxClasses = 1 << 20;
constexpr std::int64_t kMaxBins = 1 << 7;
constexpr std::int64_t kMaxStride = 1 << 12;

}  // namespace

DistanceHead DistanceHead::from(const Fields& fields) {
  DistanceHead head{fields.integer("classes"), fields.integer("bins"), fields.integers("strides")};
  const bool sane = std::all_of(head.strides.begin(), head.strides.end(),
                                [](std::int64_t s) { return s >= 1 && s <= kMaxStride; });
  if (head.classes < 1 || head.classes > kMaxClasses || head.bins < 1 || head.bins > kMaxBins ||
      head.strides.empty() || !sane)
    throw Error(ErrorCode::kBadFile, fmt::format("[distance head] {} classes, {} bins, {} strides",
                                                 head.classes, head.bins, head.strides.size()));
  return head;
}

void DistanceHead::writeTo(Fields& fields) const {
  fields.set("classes", classes);
  fields.set("bins", bins);
  fields.set("strides", strides);
}

std::int64_t DistanceHead::cells(std::span<const TensorInfo> inputs) const {
  std::int64_t total = 0;
  for (std::size_t i = 0; i < maps(); ++i) {
    const Dims& map = inputs[i].dims;
    const Dims& beside = inputs[i & ~std::size_t{1}].dims;
    const std::int64_t channels = i % 2 ? classes : 4 * bins;
    if (inputs[i].type != DataType::kFloat32 || map.rank() != 4 || map[1] != channels ||
        map[0] != inputs[0].dims[0] || map[2] != beside[2] || map[3] != beside[3])
      throw Error(
          ErrorCode::kInvalidShape,
          fmt::format("[distance head] map {} is {} of type {}, {}x{}xHxW of float32 needed", i,
                      toString(map), toString(inputs[i].type), inputs[0].dims[0], channels));
    if (i % 2) total += map[2] * map[3];
  }
  return total;
}

void DistanceHead::decodeBoxes(std::int64_t stride, std::int64_t y, std::int64_t x,
                               std::int64_t count, const float* cell, std::int64_t channelStride,
                               std::int64_t cellStride, float boxes[4][kCells]) const {
  // Each side is the expectation over the softmax of its bins. Cells lie side by side throughout.
  float sides[4][kCells], exponents[4 * kMaxBins][kCells];
  if (channelStride == 1) {
    std::fill_n(exponents[0], 4 * bins * kCells, 0.0f);
    transpose(cell, cellStride, exponents[0], kCells, count, 4 * bins);
  } else {
    for (std::int64_t i = 0; i < 4 * bins; ++i)
      for (std::int64_t k = 0; k < kCells; ++k)
        exponents[i][k] = k < count ? cell[i * channelStride + k * cellStride] : 0.0f;
  }
  for (std::int64_t side = 0; side < 4; ++side) {
    float(*own)[kCells] = exponents + side * bins;
    float most[kCells];
    std::copy_n(own[0], kCells, most);
    for (std::int64_t j = 1; j < bins; ++j)
      for (std::int64_t k = 0; k < kCells; ++k) most[k] = std::max(most[k], own[j][k]);
    for (std::int64_t j = 0; j < bins; ++j)
      for (std::int64_t k = 0; k < kCells; ++k) own[j][k] -= most[k];
  }
  applyExp({exponents[0], static_cast<std::size_t>(4 * bins * kCells)});
  for (std::int64_t side = 0; side < 4; ++side) {
    float sum[kCells] = {}, weighted[kCells] = {};
    for (std::int64_t j = 0; j < bins; ++j)
      for (std::int64_t k = 0; k < kCells; ++k) {
        const float e = exponents[side * bins + j][k];
        sum[k] += e;
        weighted[k] += e * static_cast<float>(j);
      }
    for (std::int64_t k = 0; k < kCells; ++k) sides[side][k] = weighted[k] / sum[k];
  }
  for (int axis = 0; axis < 2; ++axis)
    for (std::int64_t k = 0; k < kCells; ++k) {
      const float centre = static_cast<float>(axis == 0 ? x + k : y) + 0.5f;
      const float low = centre - sides[axis][k], high = centre + sides[axis + 2][k];
      boxes[axis][k] = (low + high) / 2.0f * static_cast<float>(stride);
      boxes[axis + 2][k] = (high - low) * static_cast<float>(stride);
    }
}

}  // namespace layerwise
