#include "quantization/round_weights.h"

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>

#include "layers/quantized_convolution.h"
#include "passes/quantize_kernel.h"
#include "passes/rewrite.h"

namespace layerwise {
namespace {

BytePairs pairsOf(const Node& layer, std::size_t depth) {
  auto* convolution = layer.as<Convolution>();
  if (!convolution) return {depth, 1};
  const Dims &kernel = convolution->kernel, &dilation = convolution->dilation;
  const std::int64_t taps = kernel.volume(), columns = kernel[kernel.rank() - 1];
  const std::int64_t rows = taps / columns, channels = static_cast<std::int64_t>(depth) / taps;
  if (channels == 1 && convolution->groups > 1) return BytePairs::ofDepthwise(rows, columns);
  const std::int64_t apart = dilation.rank() ? dilation[dilation.rank() - 1] : 1;
  return BytePairs::ofConvolution(channels, convolution->groups, rows, columns, apart);
}

/// The nearest to q that fits beside `other`.
std::int8_t besideInPair(int q, int other) {
  return static_cast<std::int8_t>(
      std::clamp(q, -BytePairs::kMost - std::min(other, 0), BytePairs::kMost - std::max(other, 0)));
}

/// The output channels of a group: `weights` as they are, one channel after the other, and
/// `rounded` to the nearest.
struct Channels {
  std::span<const double> weights;
  std::span<const float> scales;  // one a channel
  std::span<std::int8_t> rounded;
};

/// How errors in the numbers of a block are made good by those that are rounded after them. The
/// squares of what a channel's errors e do to its outputs are |L^T e|^2, where L L^T is the
/// covariance: with the last number rounded first, each term but its own part is known when its
/// turn comes, and is brought as near to 0 as it will go. That is what inverting the covariance
/// comes to (J. Chen et al., "The Geometry of LLM Quantization: GPTQ as Babai's Nearest Plane
/// Algorithm").
class Feedback {
 public:
  explicit Feedback(const Eigen::MatrixXd& covariance) {
    const double spread = covariance.diagonal().mean();
    if (!(spread > 0)) return;
    // What varies most comes first, while there is much left to make good with.
    order_.resize(static_cast<std::size_t>(covariance.rows()));
    std::iota(order_.rbegin(), order_.rend(), 0);
    std::stable_sort(order_.rbegin(), order_.rend(),
                     [&](int a, int b) { return covariance(a, a) > covariance(b, b); });
    Eigen::MatrixXd ordered = covariance(order_, order_);
    ordered.diagonal().array() += kDamping * spread;
    const Eigen::LLT<Eigen::Ref<Eigen::MatrixXd>> factor(ordered);  // in place
    if (factor.info() != Eigen::Success) return;
    coupling_ = (ordered * ordered.diagonal().cwiseInverse().asDiagonal()).cast<float>();
  }

  bool isEmpty() const { return coupling_.size() == 0; }

  /// Replaces the block that begins at `first` in each channel. Where pairs shall fit, they do at
  /// every step.
  void round(const Channels& channels, std::size_t first, const BytePairs* pairs) const {
    for (std::size_t c = 0; c < channels.scales.size(); c += kTogether)
      roundTogether(channels, c, std::min(kTogether, channels.scales.size() - c), first, pairs);
  }

 private:
  static constexpr double kDamping = 0.01;  // of the mean variance, as in the paper
  /// So many channels share what is read of the matrix.
  static constexpr std::size_t kTogether = 16;

  void roundTogether(const Channels& channels, std::size_t channel, std::size_t count,
                     std::size_t first, const BytePairs* pairs) const {
    const std::size_t depth = channels.weights.size() / channels.scales.size();
    constexpr auto kLanes = static_cast<Eigen::Index>(kTogether);
    const Eigen::Index terms = coupling_.cols();
    Eigen::Matrix<float, kLanes, Eigen::Dynamic> errors(kLanes, terms);
    errors.setZero();
    for (Eigen::Index turn = terms; turn-- > 0;) {
      const Eigen::Index before = terms - turn - 1;
      const Eigen::Matrix<float, kLanes, 1> sums =
          errors.rightCols(before) * coupling_.col(turn).tail(before);
      const std::size_t at =
          first + static_cast<std::size_t>(order_[static_cast<std::size_t>(turn)]);
      for (std::size_t i = 0; i < count; ++i) {
        const auto lane = static_cast<Eigen::Index>(i);
        const double weight = channels.weights[(channel + i) * depth + at];
        const float scale = channels.scales[channel + i];
        const auto rounded = channels.rounded.subspan((channel + i) * depth, depth);
        rounded[at] = quantizeWeight(weight + double{sums[lane]}, scale);
        if (auto partner = pairs ? pairs->partner(at) : std::nullopt)
          rounded[at] = besideInPair(rounded[at], rounded[*partner]);
        errors(lane, turn) = static_cast<float>(weight - double{scale} * rounded[at]);
      }
    }
  }

  std::vector<int> order_;  ///< the last one is rounded first
  /// The factor L, each column over its diagonal; empty where there is none.
  Eigen::MatrixXf coupling_;
};

}  // namespace

std::vector<ConstantData> roundWeights(const Node& layer, const LayerMoments& moments,
                                       bool fitPairs, std::span<const double> inputErrors) {
  std::vector<double> kernel = readConstant(weightOf(layer, 0));
  std::vector<double> bias = readConstant(weightOf(layer, 1));
  std::size_t depth = moments.depth(), outputs = kernel.size() / depth;
  std::size_t perGroup = outputs / moments.groups();
  const BytePairs pairs = pairsOf(layer, depth);
  QuantizedKernel quantized =
      quantizeKernel(kernel, static_cast<std::int64_t>(outputs), fitPairs ? &pairs : nullptr);
  for (std::size_t g = 0; g < moments.groups(); ++g)
    for (std::size_t b = 0; b < moments.blocks(); ++b) {
      const Feedback feedback(moments.covariance(g, b));
      if (feedback.isEmpty()) continue;
      const std::size_t first = g * perGroup * depth, count = perGroup * depth;
      feedback.round({std::span(kernel).subspan(first, count),
                      std::span(quantized.scales).subspan(g * perGroup, perGroup),
                      std::span(quantized.values).subspan(first, count)},
                     moments.blockBegin(b), fitPairs ? &pairs : nullptr);
    }
  std::vector<double> rounded = quantized.numbers();
  bias.resize(outputs);
  for (std::size_t o = 0; o < outputs; ++o) {
    Eigen::VectorXd mean = moments.mean(o / perGroup);
    for (std::size_t i = 0; i < depth; ++i)
      bias[o] +=
          (kernel[o * depth + i] - rounded[o * depth + i]) * mean[static_cast<Eigen::Index>(i)];
    if (inputErrors.empty()) continue;
    // A column holds the taps of one of the group's channels after the other.
    const std::size_t channels = inputErrors.size() / moments.groups(), taps = depth / channels;
    for (std::size_t i = 0; i < depth; ++i)
      bias[o] -= rounded[o * depth + i] * inputErrors[o / perGroup * channels + i / taps];
  }
  return {ConstantData::of(DataType::kInt8, quantized.values),
          ConstantData::of(DataType::kFloat32, quantized.scales), floatConstant(bias)};
}

void useRoundedWeights(Graph& graph, const RoundedWeights& weights) {
  for (Node& node : graph.nodes)
    if (auto rounded = weights.find(node.name);
        node.kind && node.as<QuantizedConvolution>() && rounded != weights.end())
      node.weights = rounded->second;
}

}  // namespace layerwise
