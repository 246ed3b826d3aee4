#pragma once

#include <algorithm>
#include <cstdint>

#include "backends/shared/strides3.h"
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

}  // namespace layerwise::cpu
