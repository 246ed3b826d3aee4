#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace layerwise {

/// The weights that processors without an instruction for four bytes take two at a time: vpmaddubsw
/// adds the products of two unsigned and two signed bytes in 16 bits, and saturates. A pair are
/// neighbouring input channels of one tap, the first an even one; where their number is odd and a
/// row of the kernel lies in the input without gaps, neighbours in that row, pixel by pixel;
/// depthwise, neighbouring taps, or those of a column in the first and the last of three rows.
/// Whatever the activations are, a pair fits where its weights of one sign are at most kMost
/// together.
struct BytePairs {
  static constexpr int kMost = 32767 / 255;
  enum class Order { kChannels, kRows, kTaps, kOuterRows };
  std::size_t channels;  ///< of a group's input
  std::size_t taps;
  Order order = Order::kChannels;
  std::size_t columns = 1;  ///< of the kernel: for kRows

  /// `channels`: of a group's input.
  static BytePairs ofConvolution(std::int64_t channels, std::int64_t groups, std::int64_t rows,
                                 std::int64_t columns, std::int64_t columnDilation) {
    const bool run = groups == 1 && columns > 1 && columnDilation == 1 && channels % 2;
    return {static_cast<std::size_t>(channels), static_cast<std::size_t>(rows * columns),
            run ? Order::kRows : Order::kChannels, static_cast<std::size_t>(columns)};
  }
  static BytePairs ofDepthwise(std::int64_t rows, std::int64_t columns) {
    return {1, static_cast<std::size_t>(rows * columns),
            rows == 3 ? Order::kOuterRows : Order::kTaps};
  }

  /// The other one of weight i's pair; i counts the weights of an output channel, channel by
  /// channel.
  std::optional<std::size_t> partner(std::size_t i) const {
    std::size_t tap = i % taps, channel = i / taps, apart = taps / 3 * 2;
    switch (order) {
      case Order::kTaps:
        return (tap ^ 1) < taps ? std::optional(i - tap + (tap ^ 1)) : std::nullopt;
      case Order::kOuterRows:
        if (tap + apart < taps) return i + apart;
        return tap >= apart ? std::optional(i - apart) : std::nullopt;
      case Order::kRows: {
        const std::size_t other = (tap % columns * channels + channel) ^ 1;
        if (other >= columns * channels) return std::nullopt;
        return other % channels * taps + tap / columns * columns + other / channels;
      }
      case Order::kChannels:
        break;
    }
    return (channel ^ 1) < channels ? std::optional((channel ^ 1) * taps + tap) : std::nullopt;
  }
  /// Of the weights of an output channel.
  bool allFit(const std::int8_t* weights) const {
    if (order == Order::kChannels) {
      for (std::size_t i = 0; i + 1 < channels; i += 2)
        for (std::size_t at = i * taps; at < (i + 1) * taps; ++at)
          if (!fits(weights[at], weights[at + taps])) return false;
      return true;
    }
    for (std::size_t i = 0; i < channels * taps; ++i)
      if (auto other = partner(i); other && !fits(weights[i], weights[*other])) return false;
    return true;
  }
  static bool fits(int a, int b) {
    int positive = (a > 0 ? a : 0) + (b > 0 ? b : 0), negative = (a < 0 ? a : 0) + (b < 0 ? b : 0);
    return positive <= kMost && negative >= -kMost;
  }
};

}  // namespace layerwise
