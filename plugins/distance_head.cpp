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

void DistanceHead::decodeBox(std::int64_t stride, std::int64_t y, std::int64_t x, const float* cell,
                             std::int64_t channelStride, float box[4]) const {
  // Each side is the expectation over the softmax of its bins.
  float sides[4], exponents[4 * kMaxBins];
  for (std::int64_t i = 0; i < 4 * bins; ++i) exponents[i] = cell[i * channelStride];
  for (std::int64_t i = 0; i < 4; ++i) {
    float* own = exponents + i * bins;
    const float most = *std::max_element(own, own + bins);
    for (std::int64_t j = 0; j < bins; ++j) own[j] -= most;
  }
  applyExp({exponents, static_cast<std::size_t>(4 * bins)});
  for (std::int64_t i = 0; i < 4; ++i) {
    float sum = 0.0f, weighted = 0.0f;
    for (std::int64_t j = 0; j < bins; ++j) {
      const float e = exponents[i * bins + j];
      sum += e;
      weighted += e * static_cast<float>(j);
    }
    sides[i] = weighted / sum;
  }
  const float centre[2] = {static_cast<float>(x) + 0.5f, static_cast<float>(y) + 0.5f};
  for (int axis = 0; axis < 2; ++axis) {
    const float low = centre[axis] - sides[axis], high = centre[axis] + sides[axis + 2];
    box[axis] = (low + high) / 2.0f * static_cast<float>(stride);
    box[axis + 2] = (high - low) * static_cast<float>(stride);
  }
}

}  // namespace layerwise
