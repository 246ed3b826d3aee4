#pragma once

#include <functional>
#include <vector>

#include "engine/graph.h"
#include "quantization/channel_statistics.h"

namespace layerwise {

/// Cross-layer equalisation (Nagel et al., "Data-Free Quantization Through Weight Equalization and
/// Bias Correction", ICCV 2019), with ranges that were measured: channels that differ widely share
/// one scale badly, so the layers that write a tensor give each channel more, and those that read
/// it take as much less. What the graph computes stays the same up to rounding.

/// Values whose channels can be scaled together: written and read by convolutions and fully
/// connected layers alone, through layers that commute with positive factors.
struct EqualizationGroup {
  std::vector<ValueId> values;
  std::vector<NodeId> writers, readers;
  std::int64_t channels = 0;
};

std::vector<EqualizationGroup> equalizationGroups(const Graph& graph);

/// Whether a clip writes the value. Its channels are scaled by their extremes towards the bound, so
/// that a range that cut off the largest numbers would cut off those of many channels.
bool isBounded(const Graph& graph, ValueId value);

/// What was seen of a value; nullptr where it was not looked at.
using StatisticsOf = std::function<const ChannelStatistics*(ValueId)>;

/// The factors, at least 1 each, that cost the readers the least noise; empty where none are better
/// than no factors. No channel comes to leave its tensor's range, which stays what it is.
std::vector<double> chooseFactors(const Graph& graph, const EqualizationGroup& group,
                                  const StatisticsOf& statisticsOf);
/// Multiplies the channels. False, and nothing done, where float32 cannot hold the weights.
bool scaleChannels(Graph& graph, const EqualizationGroup& group,
                   const std::vector<double>& factors);

}  // namespace layerwise
