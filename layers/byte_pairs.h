#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace layerwise {

/// The weights that processors without an instruction for four bytes take two at a time: vpmaddubsw
/// adds the products of two unsigned and two signed bytes in 16 bits, and saturates. A pair are
/// neighbouring input channels of one tap, the first an even one; depthwise, neighbouring taps.
/// Whatever the activations are, a pair fits where its weights of one sign are at most kMost
/// together.
struct BytePairs {
  static constexpr int kMost = 32767 / 255;
  std::size_t channels;  ///< of a group's input
  std::size_t taps;
  bool depthwise = false;

  /// The other one of weight i's pair; i counts the weights of an output channel, channel by
  /// channel.
  std::optional<std::size_t> partner(std::size_t i) const {
    std::size_t tap = i % taps, channel = i / taps;
    if (depthwise) return (tap ^ 1) < taps ? std::optional(i - tap + (tap ^ 1)) : std::nullopt;
    return (channel ^ 1) < channels ? std::optional((channel ^ 1) * taps + tap) : std::nullopt;
  }
  /// Of the weights of an output channel.
  bool allFit(const std::int8_t* weights) const {
    std::size_t step = depthwise ? 1 : taps, count = depthwise ? taps : channels;
    for (std::size_t i = 0; i + 1 < count; i += 2)
      for (std::size_t at = i * step; at < (i + 1) * step; ++at)
        if (!fits(weights[at], weights[at + step])) return false;
    return true;
  }
  static bool fits(int a, int b) {
    int positive = (a > 0 ? a : 0) + (b > 0 ? b : 0), negative = (a < 0 ? a : 0) + (b < 0 ? b : 0);
    return positive <= kMost && negative >= -kMost;
  }
};

}  // namespace layerwise
