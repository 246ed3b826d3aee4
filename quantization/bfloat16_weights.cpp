#include "quantization/bfloat16_weights.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "layers/float16.h"
#include "layerwise/thread_pool.h"

namespace layerwise {
namespace {

constexpr std::uint32_t kLowBits = 0xffff;  // of a float, which bfloat16 lacks
constexpr std::uint32_t kMiddle = 0x8000;
constexpr std::size_t kShare = 1 << 16;  // weights that a thread takes at a time, about

float nearest(float weight) {
  return bfloat16ToFloat(bfloat16FromFloat(weight));
}

/// The neighbour in bfloat16 that is not the nearest().
float farther(float weight) {
  const auto bits = std::bit_cast<std::uint32_t>(weight);
  const float inner = std::bit_cast<float>(bits & ~kLowBits);
  return nearest(weight) == inner ? std::bit_cast<float>((bits & ~kLowBits) + kLowBits + 1) : inner;
}

/// How far from the middle between its neighbours a weight is, up to kMiddle.
std::uint32_t fromMiddle(float weight) {
  const std::uint32_t low = std::bit_cast<std::uint32_t>(weight) & kLowBits;
  return low < kMiddle ? kMiddle - low : low - kMiddle;
}

/// Rounds to the nearest; returns the sum of the errors.
double roundAll(std::span<const float> weights, float* result) {
  constexpr std::size_t kSums = 4;  // independent, or each addition would wait for the last
  double sums[kSums] = {};
  const auto round = [&](std::size_t i, std::size_t sum) {
    result[i] = nearest(weights[i]);
    sums[sum] += result[i] - weights[i];
  };
  std::size_t i = 0;
  for (; i + kSums <= weights.size(); i += kSums)
    for (std::size_t k = 0; k < kSums; ++k) round(i + k, k);
  for (; i < weights.size(); ++i) round(i, 0);
  return sums[0] + sums[1] + (sums[2] + sums[3]);
}

/// Rounds the weights of one output.
class OutputRounding {
 public:
  void run(std::span<const float> weights, float* result) {
    double error = roundAll(weights, result);
    if (error == 0 || !std::isfinite(error)) return;
    // Errors are up to half of what a turn changes, so that their sum is some 0.3 sqrt(n) turns,
    // and at first there is room for about three times as many.
    const double share = 2 / std::sqrt(static_cast<double>(weights.size()));
    for (double most : {share, 4 * share, 1.0})
      if (collect(weights, error, most) >= std::abs(error)) break;
    std::sort(turns_.begin(), turns_.end());
    for (std::uint64_t turn : turns_) {
      const auto i = static_cast<std::size_t>(turn & std::numeric_limits<std::uint32_t>::max());
      const double after = error + changeOf(weights[i]);
      if (std::abs(after) >= std::abs(error)) continue;
      error = after;
      result[i] = farther(weights[i]);
    }
  }

 private:
  static double changeOf(float weight) {
    return static_cast<double>(farther(weight)) - nearest(weight);
  }

  /// The weights that add to the error and are near enough to the middle, the share `most` of the
  /// way. Returns what all of them may change.
  double collect(std::span<const float> weights, double error, double most) {
    const auto limit = static_cast<std::uint32_t>(std::min(most, 1.0) * (kMiddle - 1));
    double reach = 0;
    turns_.clear();
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const std::uint32_t distance = fromMiddle(weights[i]);
      if (distance > limit) continue;
      const double change = changeOf(weights[i]);
      if ((change > 0) == (error > 0) || !std::isfinite(change)) continue;
      turns_.push_back(std::uint64_t{distance} << 32 | i);
      reach += std::abs(change);
    }
    return reach;
  }

  std::vector<std::uint64_t> turns_;  // distance from the middle, and the weight's place below
};

/// How many outputs share out a layer's weights; 0 for one that is not rounded.
std::int64_t roundedOutputs(const Node& node) {
  if (node.weights.empty() || node.weights[0].type != DataType::kFloat32 ||
      node.weights[0].count == 0)
    return 0;
  if (const auto* a = node.as<FullyConnected>()) return a->outputs;
  const auto* a = node.as<Convolution>();
  if (!a) return 0;
  std::int64_t taps = 1;
  for (int axis = 0; axis < a->kernel.rank(); ++axis) taps *= a->kernel[axis];
  const bool depthwise = a->groups > 1 && node.weights[0].count == a->outputs * taps;
  return depthwise ? 0 : a->outputs;
}

}  // namespace

void roundWeightsToBFloat16(Graph& graph, std::span<const NodeId> nodes, int threads) {
  if (nodes.empty()) return;
  ThreadPool pool(threads);
  for (NodeId id : nodes) {
    const std::int64_t outputs = roundedOutputs(graph.node(id));
    if (outputs == 0) continue;
    ConstantData& weights = graph.node(id).weights[0];
    const auto count = static_cast<std::size_t>(weights.count);
    const std::span<const float> all(weights.as<float>(), count);
    ConstantData rounded = ConstantData::copyOf(weights.type, weights.as<float>(), weights.count);
    auto* const result = const_cast<float*>(rounded.as<float>());  // nobody else's yet
    const std::size_t terms = count / static_cast<std::size_t>(outputs);
    std::atomic<std::size_t> next = 0;
    pool.runShared([&](int) {
      OutputRounding rounding;
      const std::size_t step = terms * (1 + kShare / terms);
      for (std::size_t share = next.fetch_add(step); share < count; share = next.fetch_add(step))
        for (std::size_t first = share; first < std::min(count, share + step); first += terms)
          rounding.run(all.subspan(first, terms), result + first);
    });
    weights = std::move(rounded);
  }
}

}  // namespace layerwise
