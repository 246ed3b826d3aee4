#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/graph.h"

namespace layerwise {

/// What passes/ knows of 8 bits. Quantize and Dequantize are put around what is to be computed in
/// integers, moved through layers that only move values, and then merged with the convolutions
/// between them.

/// One scale and zero point for a whole tensor of `type`.
struct TensorQuantization {
  float scale = 1;
  int zeroPoint = 0;
  DataType type = DataType::kUInt8;
  bool operator==(const TensorQuantization&) const = default;
};

/// The uint8 quantisation that holds the numbers from min to max, and 0 exactly.
TensorQuantization quantizationOf(double min, double max);
/// What a Quantize or Dequantize with one scale says; nothing for other nodes.
std::optional<TensorQuantization> tensorQuantization(const Node& node, const Graph& graph);
/// The weights of a Quantize or Dequantize.
std::vector<ConstantData> quantizationWeights(const TensorQuantization& quantization);

/// How many of the inputs of a layer that only moves or selects values (so that it may as well work
/// on quantised ones) hold the values; 0 for other layers.
std::size_t movedInputs(const Node& node);

/// A range by value; nothing where it is not known.
using RangeOf = std::function<std::optional<std::pair<double, double>>(ValueId)>;

/// What insertQuantization() may not touch: layers by the name of their node.
using FloatLayers = std::set<std::string>;

/// Whether a layer's wish for its precision keeps it out of 8 bits.
bool staysFloat(const Node& node);
/// The convolutions and fully connected layers that could be computed in integers, in order.
std::vector<NodeId> quantizableLayers(const Graph& graph, const FloatLayers& floatLayers);
/// The tensors whose ranges insertQuantization() asks for.
std::vector<ValueId> tensorsToQuantize(const Graph& graph, const FloatLayers& floatLayers);
/// How insertQuantization() holds what each of those layers reads, by tensor; nothing for what
/// stays as it is.
std::map<ValueId, TensorQuantization> inputQuantizations(const Graph& graph,
                                                         const std::vector<NodeId>& layers,
                                                         const RangeOf& rangeOf);
/// Puts Quantize and Dequantize behind what those layers read, with one scale for all tensors that
/// are joined by layers that move values. What has no range stays as it is.
void insertQuantization(Graph& graph, const FloatLayers& floatLayers, const RangeOf& rangeOf);

/// op(Dequantize(q)) -> Dequantize(op(q)), where op moves values.
bool pushDequantize(Graph& graph);
/// Quantize(op(x)) -> op(Quantize(x)).
bool hoistQuantize(Graph& graph);
/// Quantize(Dequantize(q)) of one scale -> q.
bool cancelRequantization(Graph& graph);
/// int8 tensors between a Quantize and Dequantizes -> uint8, the same numbers.
bool unifyEightBits(Graph& graph);
/// Dequantize, convolution or fully connected, activation, sum, Quantize -> quantised convolution.
bool lowerQuantization(Graph& graph);

/// All of these until none finds anything more; the graph is compact afterwards.
void runQuantizationPasses(Graph& graph);

}  // namespace layerwise
