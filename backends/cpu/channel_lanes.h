#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/tactic.h"

namespace layerwise::cpu {

/// Cuts a tensor N x C x ... into pieces of one image and one to kMax neighbouring channels, which
/// a tile computes side by side: many where the channels lie next to each other in memory, one
/// where they do not.
struct ChannelLanes {
  static constexpr std::int64_t kMax = 64;

  explicit ChannelLanes(const BufferView& out)
      : channels(out.dims[1]),
        width(out.strides[1] == 1 ? std::clamp<std::int64_t>(channels, 1, kMax) : 1),
        blocks((channels + width - 1) / width),
        pieces(out.dims[0] * blocks) {}

  std::int64_t image(std::int64_t piece) const { return piece / blocks; }
  std::int64_t firstChannel(std::int64_t piece) const { return piece % blocks * width; }
  std::int64_t lanes(std::int64_t piece) const {
    return std::min(width, channels - firstChannel(piece));
  }

  std::int64_t channels, width, blocks, pieces;
};

/// The strides of three spatial axes, of which the leading ones that a tensor does not have are 0.
struct Strides3 {
  explicit Strides3(const BufferView& view) {
    int axes = view.dims.rank() - 2;
    for (int i = 0; i < 3; ++i) at[i] = i < 3 - axes ? 0 : view.strides[i + axes - 1];
  }
  std::int64_t operator()(std::int64_t z, std::int64_t y, std::int64_t x) const {
    return z * at[0] + y * at[1] + x * at[2];
  }
  std::int64_t at[3];
};

}  // namespace layerwise::cpu
