#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "layerwise/dims.h"

namespace layerwise {

/// What was seen of each channel (axis 1) of one tensor.
class ChannelStatistics {
 public:
  struct Channel {
    double low = 0, high = 0;            ///< the extremes, and 0
    double usualLow = 0, usualHigh = 0;  ///< sums of each sample's extremes
    double sum = 0, squares = 0;         ///< of the values, and of their squares
  };
  /// N x C x anything; what is not finite is left out.
  void add(std::span<const float> values, const Dims& dims);
  bool isEmpty() const { return channels_.empty(); }
  const std::vector<Channel>& channels() const { return channels_; }
  /// The mean of each sample's extremes: what is usual, which one odd sample does not change much.
  double usualLow(std::size_t channel) const { return channels_[channel].usualLow / samples_; }
  double usualHigh(std::size_t channel) const { return channels_[channel].usualHigh / samples_; }
  double usualLow() const;  ///< of all channels
  double usualHigh() const;
  /// The mean of the squares of a channel.
  double power(std::size_t channel) const { return channels_[channel].squares / count_; }
  double variance(std::size_t channel) const {
    double mean = channels_[channel].sum / count_;
    return std::max(0.0, power(channel) - mean * mean);
  }

 private:
  std::vector<Channel> channels_;
  double count_ = 0;  ///< values a channel
  double samples_ = 0;
};

}  // namespace layerwise
