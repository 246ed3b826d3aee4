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
  auto taps = static_cast<std::size_t>(convolution->kernel.volume());
  BytePairs pairs{depth / taps, taps};
  const Dims& kernel = convolution->kernel;
  if (depth == taps && convolution->groups > 1)
    pairs.order = BytePairs::depthwiseOrder(kernel.rank() == 2 ? kernel[0] : 1);
  return pairs;
}

/// The nearest to q that fits beside `other`.
std::int8_t besideInPair(int q, int other) {
  return static_cast<std::int8_t>(
      std::clamp(q, -BytePairs::kMost - std::min(other, 0), BytePairs::kMost - std::max(other, 0)));
}

/// How an error in one number of a block is made good by those after it.
class Feedback {
 public:
  explicit Feedback(Eigen::MatrixXd covariance) {
    double spread = covariance.diagonal().mean();
    if (!(spread > 0)) return;
    covariance.diagonal().array() += kDamping * spread;
    // What varies most comes first, while there is much left to make good with.
    order_.resize(static_cast<std::size_t>(covariance.rows()));
    std::iota(order_.begin(), order_.end(), 0);
    std::stable_sort(order_.begin(), order_.end(),
                     [&](int a, int b) { return covariance(a, a) > covariance(b, b); });
    Eigen::PermutationMatrix<Eigen::Dynamic> permutation(
        Eigen::Map<const Eigen::VectorXi>(order_.data(), covariance.rows()));
    Eigen::LLT<Eigen::MatrixXd> factor(permutation.transpose() * covariance * permutation);
    Eigen::LLT<Eigen::MatrixXd> inverse(
        factor.solve(Eigen::MatrixXd::Identity(covariance.rows(), covariance.cols())));
    if (factor.info() == Eigen::Success && inverse.info() == Eigen::Success)
      lower_ = inverse.matrixL();
  }

  /// The block of one output channel that begins at `first`; `rounded` holds the nearest of all of
  /// the channel, of which the block's are replaced. Where pairs shall fit, they do at every step.
  void round(std::span<const double> weights, float scale, std::span<std::int8_t> rounded,
             std::size_t first, const BytePairs* pairs) const {
    if (lower_.size() == 0) return;
    Eigen::VectorXd left(lower_.rows());
    for (Eigen::Index i = 0; i < left.size(); ++i) left[i] = weights[at(i)];
    for (Eigen::Index i = 0; i < left.size(); ++i) {
      std::int8_t& q = rounded[first + at(i)];
      q = quantizeWeight(left[i], scale);
      if (auto partner = pairs ? pairs->partner(first + at(i)) : std::nullopt)
        q = besideInPair(q, rounded[*partner]);
      double error = (left[i] - double{scale} * q) / lower_(i, i);
      Eigen::Index after = left.size() - i - 1;
      left.tail(after) -= error * lower_.col(i).tail(after);
    }
  }

 private:
  static constexpr double kDamping = 0.01;  // of the mean variance, as in the paper
  std::size_t at(Eigen::Index i) const {
    return static_cast<std::size_t>(order_[static_cast<std::size_t>(i)]);
  }
  std::vector<int> order_;
  Eigen::MatrixXd lower_;  ///< of the covariance's inverse; empty where there is none
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
      Feedback feedback(moments.covariance(g, b));
      for (std::size_t o = g * perGroup; o < (g + 1) * perGroup; ++o) {
        std::size_t first = moments.blockBegin(b);
        feedback.round(std::span(kernel).subspan(o * depth + first, moments.blockSize(b)),
                       quantized.scales[o], std::span(quantized.values).subspan(o * depth, depth),
                       first, fitPairs ? &pairs : nullptr);
      }
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
