#include "plugins/anchor_head.h"

#include <fmt/format.h>

#include <algorithm>

#include "layerwise/error.h"
#include "layerwise/vector_math.h"

namespace layerwise {
namespace {

// Far above any network; keeps the products of a hostile plan's numbers small.
constexpr std::int64_t kMaxClasses = 1 << 20;
constexpr std::int64_t kMaxStride = 1 << 12;

}  // namespace

AnchorHead AnchorHead::from(const Fields& fields) {
  AnchorHead head;
  head.classes = fields.integer("classes");
  head.masks = fields.integer("masks");
  const std::vector<std::int64_t>& strides = fields.integers("strides");
  const std::vector<double>& anchors = fields.reals("anchors");
  auto refuse = [](const std::string& why) {
    return Error(ErrorCode::kBadFile, "[anchor head] " + why);
  };
  if (head.classes < 1 || head.classes > kMaxClasses || head.masks < 0 || head.masks > kMaxClasses)
    throw refuse(fmt::format("{} classes and {} masks", head.classes, head.masks));
  if (strides.empty() || anchors.empty() || anchors.size() % (2 * strides.size()) != 0)
    throw refuse(fmt::format("{} strides and {} anchor values", strides.size(), anchors.size()));
  const std::size_t values = anchors.size() / strides.size();
  for (std::size_t i = 0; i < strides.size(); ++i) {
    if (strides[i] < 1 || strides[i] > kMaxStride)
      throw refuse(fmt::format("stride {}", strides[i]));
    auto first = anchors.begin() + static_cast<std::ptrdiff_t>(i * values);
    head.levels.push_back({strides[i], {first, first + static_cast<std::ptrdiff_t>(values)}});
  }
  return head;
}

void AnchorHead::writeTo(Fields& fields) const {
  std::vector<std::int64_t> strides;
  std::vector<double> anchors;
  for (const Level& level : levels) {
    strides.push_back(level.stride);
    anchors.insert(anchors.end(), level.anchors.begin(), level.anchors.end());
  }
  fields.set("classes", classes);
  fields.set("masks", masks);
  fields.set("strides", std::move(strides));
  fields.set("anchors", std::move(anchors));
}

std::int64_t AnchorHead::rows(std::span<const TensorInfo> maps) const {
  std::int64_t total = 0;
  for (std::size_t i = 0; i < levels.size(); ++i) {
    const Dims& map = maps[i].dims;
    const std::int64_t channels = levels[i].anchorCount() * rowSize();
    if (maps[i].type != DataType::kFloat32 || map.rank() != 4 || map[1] != channels ||
        map[0] != maps[0].dims[0])
      throw Error(ErrorCode::kInvalidShape,
                  fmt::format("[anchor head] map {} is {} of type {}, {}x{}xHxW of float32 needed",
                              i, toString(map), toString(maps[i].type), maps[0].dims[0], channels));
    total += rows(levels[i], map);
  }
  return total;
}

void AnchorHead::decode(const Level& level, std::int64_t anchor, std::int64_t y, std::int64_t x,
                        std::int64_t count, const float* cell, std::int64_t channelStride,
                        std::int64_t cellStride, float* rows) const {
  const auto stride = static_cast<float>(level.stride);
  const float* size = level.anchors.data() + 2 * anchor;
  auto square = [](float v) { return v * v; };
  const std::int64_t length = rowSize();
  if (channelStride == 1) {
    applySigmoid(cell, cellStride, rows, length, count, length);
  } else {
    for (std::int64_t i = 0; i < count; ++i)
      for (std::int64_t c = 0; c < length; ++c)
        rows[i * length + c] = cell[i * cellStride + c * channelStride];
    applySigmoid({rows, static_cast<std::size_t>(count * length)});
  }
  for (std::int64_t i = 0; i < count; ++i, rows += length, cell += cellStride) {
    rows[0] = (rows[0] * 2.0f + (static_cast<float>(x + i) - 0.5f)) * stride;
    rows[1] = (rows[1] * 2.0f + (static_cast<float>(y) - 0.5f)) * stride;
    rows[2] = square(rows[2] * 2.0f) * size[0];
    rows[3] = square(rows[3] * 2.0f) * size[1];
    for (std::int64_t c = 5 + classes; c < length; ++c) rows[c] = cell[c * channelStride];
  }
}

}  // namespace layerwise
