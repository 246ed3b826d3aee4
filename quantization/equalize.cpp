#include "quantization/equalize.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "passes/quantization.h"
#include "passes/rewrite.h"
#include "passes/shape_facts.h"

namespace layerwise {
namespace {

constexpr double kLargestFactor = 64;
/// What feedback leaves of the weights' noise (round_weights.h) where the inputs have both signs,
/// as sums have: such channels hang together. Those behind a ReLU do so less, and are taken as if
/// they did not.
constexpr double kLeftByFeedback = 0.25;

/// Whether op(f x) = f op(x) for all f of at least 1, where no bound cuts f x off.
bool commutesWithFactors(const Activation& a) {
  switch (a.type) {
    case ActivationType::kRelu:
    case ActivationType::kLeakyRelu:
      return true;
    case ActivationType::kClip:
      return a.alpha <= 0 && a.beta >= 0;
    default:
      return false;
  }
}

class Grouping {
 public:
  explicit Grouping(const Graph& graph)
      : graph_(graph), facts_(graph), parent_(graph.values.size()), fixed_(graph.values.size()) {
    std::iota(parent_.begin(), parent_.end(), 0);
    for (const Node& node : graph.nodes)
      if (node.kind) visit(node);
    for (const GraphInput& input : graph.inputs) fix(input.value);
    for (const GraphOutput& output : graph.outputs) fix(output.value);
    for (ValueId value = 0; value < size(); ++value)
      if (graph.value(value).range) fix(value);
  }

  std::vector<EqualizationGroup> groups() const {
    std::map<ValueId, EqualizationGroup> groups;
    std::vector<bool> fixed(parent_.size());
    for (ValueId value = 0; value < size(); ++value)
      if (fixed_[index(value)]) fixed[index(root(value))] = true;
    for (ValueId value = 0; value < size(); ++value)
      if (!fixed[index(root(value))]) groups[root(value)].values.push_back(value);
    for (NodeId id = 0; id < static_cast<NodeId>(graph_.nodes.size()); ++id) {
      if (!graph_.isAlive(id) || !isWeighted(graph_.node(id))) continue;
      auto written = groups.find(root(graph_.node(id).outputs[0]));
      if (written != groups.end()) {
        written->second.writers.push_back(id);
        written->second.channels = static_cast<std::int64_t>(outputsOf(graph_.node(id)));
      }
      auto read = groups.find(root(graph_.node(id).inputs[0]));
      if (read != groups.end()) read->second.readers.push_back(id);
    }
    std::vector<EqualizationGroup> list;
    for (auto& [name, group] : groups)
      if (!group.writers.empty() && !group.readers.empty()) list.push_back(std::move(group));
    return list;
  }

 private:
  static std::size_t index(ValueId value) { return static_cast<std::size_t>(value); }
  ValueId size() const { return static_cast<ValueId>(parent_.size()); }
  ValueId root(ValueId value) const {
    while (parent_[index(value)] != value) value = parent_[index(value)];
    return value;
  }
  void join(ValueId a, ValueId b) { parent_[index(root(a))] = root(b); }
  void fix(ValueId value) { fixed_[index(value)] = true; }

  static std::size_t outputsOf(const Node& node) {
    if (auto* a = node.as<Convolution>()) return static_cast<std::size_t>(a->outputs);
    return static_cast<std::size_t>(node.as<FullyConnected>()->outputs);
  }
  bool isWeighted(const Node& node) const {
    auto* full = node.as<FullyConnected>();
    return (node.as<Convolution>() || (full && full->axis == 1)) &&
           isFloat(weightOf(node, 0).type) && facts_.isFloat(node.inputs[0]);
  }

  void visit(const Node& node) {
    if (isWeighted(node)) {
      // A fully connected layer's inputs are channels only where there is nothing behind axis 1.
      if (auto* full = node.as<FullyConnected>(); full) {
        auto channels = facts_.fixedDim(node.inputs[0], 1);
        if (!channels || static_cast<std::size_t>(*channels) * outputsOf(node) !=
                             static_cast<std::size_t>(weightOf(node, 0).count))
          fix(node.inputs[0]);
      }
      return;
    }
    if (auto* activation = node.as<Activation>(); activation && commutesWithFactors(*activation))
      return join(node.inputs[0], node.outputs[0]);
    if (node.as<Pooling>() || node.as<Identity>() || keepsChannels(node))
      return join(node.inputs[0], node.outputs[0]);
    if (auto* sum = node.as<ElementWise>(); sum && sum->operation == ElementWiseOperation::kSum &&
                                            facts_.sameDims(node.inputs[0], node.inputs[1])) {
      join(node.inputs[0], node.inputs[1]);
      return join(node.inputs[0], node.outputs[0]);
    }
    for (ValueId value : node.inputs) fix(value);
    for (ValueId value : node.outputs) fix(value);
  }

  /// N x C x 1 x 1 <-> N x C.
  bool keepsChannels(const Node& node) const {
    if (!node.as<Shuffle>() || node.inputs.size() != 1) return false;
    for (ValueId value : {node.inputs[0], node.outputs[0]}) {
      if (facts_.rank(value) < 2) return false;
      for (int axis = 2; axis < facts_.rank(value); ++axis)
        if (facts_.fixedDim(value, axis) != 1) return false;
    }
    auto channels = facts_.fixedDim(node.inputs[0], 1);
    return channels && channels == facts_.fixedDim(node.outputs[0], 1);
  }

  const Graph& graph_;
  ShapeFacts facts_;
  std::vector<ValueId> parent_;
  std::vector<bool> fixed_;
};

/// The weights of a layer seen as [output][input of the group][tap].
struct KernelView {
  std::size_t outputs, groups, groupInputs, taps;

  KernelView(const Node& node, std::size_t count) {
    auto* convolution = node.as<Convolution>();
    outputs = static_cast<std::size_t>(convolution ? convolution->outputs
                                                   : node.as<FullyConnected>()->outputs);
    groups = convolution ? static_cast<std::size_t>(convolution->groups) : 1;
    taps = convolution ? static_cast<std::size_t>(convolution->kernel.volume()) : 1;
    groupInputs = count / outputs / taps;
  }
  /// The input channel of weight `at`.
  std::size_t input(std::size_t at) const {
    std::size_t output = at / (groupInputs * taps);
    return output / (outputs / groups) * groupInputs + at / taps % groupInputs;
  }
  std::size_t output(std::size_t at) const { return at / (groupInputs * taps); }
};

/// Of a channel. What a bound cuts off is lost; what leaves the usual range may still be in the
/// tensor's.
std::pair<double, double> extremes(const ChannelStatistics& seen, std::size_t channel,
                                   bool bounded) {
  const ChannelStatistics::Channel& c = seen.channels()[channel];
  if (bounded) return {c.low, c.high};
  return {seen.usualLow(channel), seen.usualHigh(channel)};
}

/// What 8 bits cost a reader, over the power of what it gives: rounding of its input, a quantum of
/// which is the range's 255th part, and of its weights, whose scale is an output channel's largest.
double noiseOf(const Graph& graph, const Node& node, const std::vector<double>& factors,
               const ChannelStatistics& input) {
  const bool bounded = isBounded(graph, node.inputs[0]);
  double low = 0, high = 0;
  for (std::size_t c = 0; c < factors.size(); ++c) {
    auto [channelLow, channelHigh] = extremes(input, c, bounded);
    low = std::min(low, factors[c] * channelLow);
    high = std::max(high, factors[c] * channelHigh);
  }
  const double quantum = (high - low) / 255, left = low < 0 ? kLeftByFeedback : 1;
  std::vector<double> kernel = readConstant(weightOf(node, 0));
  KernelView view(node, kernel.size());
  std::size_t depth = kernel.size() / view.outputs;
  double noise = 0, signal = 0;
  for (std::size_t o = 0; o < view.outputs; ++o) {
    double top = 0, squares = 0, power = 0;
    for (std::size_t i = o * depth; i < (o + 1) * depth; ++i) {
      std::size_t c = view.input(i);
      double weight = kernel[i] / factors[c];
      top = std::max(top, std::abs(weight));
      squares += weight * weight;
      power += input.variance(c) * factors[c] * factors[c];
      signal += kernel[i] * kernel[i] * input.variance(c);
    }
    noise += squares * quantum * quantum + left * power * (top / 127) * (top / 127);
  }
  return signal > 0 ? noise / 12 / signal : 0;
}

/// The largest factors that take no channel out of its tensor's range, nor past a bound that would
/// cut it off.
std::vector<double> largestFactors(const Graph& graph, const EqualizationGroup& group,
                                   const StatisticsOf& statisticsOf) {
  std::vector<double> largest(static_cast<std::size_t>(group.channels), kLargestFactor);
  for (ValueId value : group.values) {
    const ChannelStatistics* seen = statisticsOf(value);
    if (!seen) continue;
    const bool bounded = isBounded(graph, value);
    auto* activation = producedBy<Activation>(graph, value);
    const double lowest = bounded ? activation->alpha : seen->usualLow();
    const double highest = bounded ? activation->beta : seen->usualHigh();
    for (std::size_t c = 0; c < largest.size(); ++c) {
      auto [low, high] = extremes(*seen, c, bounded);
      if (high > 0) largest[c] = std::min(largest[c], highest / high);
      if (low < 0) largest[c] = std::min(largest[c], lowest / low);
    }
  }
  return largest;
}

/// At least 1, in sixteenths, so that tables stay legible.
double legible(double factor) {
  return std::max(1.0, std::floor(factor * 16) / 16);
}

}  // namespace

bool isBounded(const Graph& graph, ValueId value) {
  auto* activation = producedBy<Activation>(graph, value);
  return activation && activation->type == ActivationType::kClip;
}

std::vector<EqualizationGroup> equalizationGroups(const Graph& graph) {
  return Grouping(graph).groups();
}

std::vector<double> chooseFactors(const Graph& graph, const EqualizationGroup& group,
                                  const StatisticsOf& statisticsOf) {
  std::vector<double> largest = largestFactors(graph, group, statisticsOf);
  auto noise = [&](const std::vector<double>& factors) {
    double sum = 0;
    for (NodeId reader : group.readers)
      if (const ChannelStatistics* seen = statisticsOf(graph.node(reader).inputs[0]);
          seen && !staysFloat(graph.node(reader)))
        sum += noiseOf(graph, graph.node(reader), factors, *seen);
    return sum;
  };
  std::vector<double> best, factors(largest.size(), 1);
  double least = noise(factors);
  // Large factors spare the tensor and strain the readers' weights.
  for (double share : {0.25, 0.5, 0.75, 1.0}) {
    for (std::size_t c = 0; c < largest.size(); ++c)
      factors[c] = legible(std::pow(largest[c], share));
    if (double here = noise(factors); here < least) least = here, best = factors;
  }
  return best;
}

bool scaleChannels(Graph& graph, const EqualizationGroup& group,
                   const std::vector<double>& factors) {
  std::vector<std::pair<NodeId, std::vector<ConstantData>>> changed;
  for (NodeId id : group.writers) {
    const Node& node = graph.node(id);
    std::vector<double> kernel = readConstant(weightOf(node, 0));
    std::vector<double> bias = readConstant(weightOf(node, 1));
    KernelView view(node, kernel.size());
    for (std::size_t i = 0; i < kernel.size(); ++i) kernel[i] *= factors[view.output(i)];
    for (std::size_t o = 0; o < bias.size(); ++o) bias[o] *= factors[o];
    if (!fitFloat(kernel) || !fitFloat(bias)) return false;
    changed.push_back(
        {id, {floatConstant(kernel), bias.empty() ? ConstantData() : floatConstant(bias)}});
  }
  for (auto& [id, weights] : changed) graph.node(id).weights = std::move(weights);
  // A layer that reads its own sum is written above already.
  for (NodeId id : group.readers) {
    Node& node = graph.node(id);
    std::vector<double> kernel = readConstant(weightOf(node, 0));
    KernelView view(node, kernel.size());
    for (std::size_t i = 0; i < kernel.size(); ++i) kernel[i] /= factors[view.input(i)];
    node.weights[0] = floatConstant(kernel);
  }
  return true;
}

}  // namespace layerwise
