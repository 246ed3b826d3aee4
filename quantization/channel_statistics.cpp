#include "quantization/channel_statistics.h"

#include <algorithm>
#include <cmath>

namespace layerwise {

void ChannelStatistics::add(std::span<const float> values, const Dims& dims) {
  if (values.empty()) return;
  auto channels = static_cast<std::size_t>(dims[1]);
  std::size_t planes = static_cast<std::size_t>(dims[0]) * channels;
  std::size_t plane = values.size() / planes;
  channels_.resize(channels);
  for (std::size_t i = 0; i < planes; ++i) {
    Channel& channel = channels_[i % channels];
    double low = 0, high = 0;
    for (float value : values.subspan(i * plane, plane)) {
      if (!std::isfinite(value)) continue;
      double x = value;
      low = std::min(low, x);
      high = std::max(high, x);
      channel.sum += x;
      channel.squares += x * x;
    }
    channel.low = std::min(channel.low, low);
    channel.high = std::max(channel.high, high);
    channel.usualLow += low;
    channel.usualHigh += high;
  }
  samples_ += static_cast<double>(dims[0]);
  count_ += static_cast<double>(values.size() / channels);
}

double ChannelStatistics::usualLow() const {
  double low = 0;
  for (std::size_t c = 0; c < channels_.size(); ++c) low = std::min(low, usualLow(c));
  return low;
}

double ChannelStatistics::usualHigh() const {
  double high = 0;
  for (std::size_t c = 0; c < channels_.size(); ++c) high = std::max(high, usualHigh(c));
  return high;
}

}  // namespace layerwise
