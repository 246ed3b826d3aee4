#include "quantization/layer_moments.h"

#include <cmath>

#include "layers/spatial.h"
#include "passes/rewrite.h"

namespace layerwise {
namespace {

constexpr std::int64_t kPositions = 64;  // of a picture

Eigen::Index indexOf(std::size_t i) {
  return static_cast<Eigen::Index>(i);
}

/// Position i of many that lie evenly over `count`: multiples of the golden ratio do so in every
/// part of it, in rows and columns alike.
std::int64_t spread(std::int64_t i, std::int64_t count) {
  constexpr double kGoldenRatio = 0.6180339887498949;
  double at = std::fmod((static_cast<double>(i) + 0.5) * kGoldenRatio, 1.0);
  return static_cast<std::int64_t>(at * static_cast<double>(count));
}

}  // namespace

LayerMoments::LayerMoments(const Node& layer) {
  std::int64_t outputs = 0, groups = 1;
  if (auto* convolution = layer.as<Convolution>()) {
    convolution_ = *convolution;
    outputs = convolution->outputs;
    groups = convolution->groups;
  } else {
    outputs = layer.as<FullyConnected>()->outputs;
  }
  depth_ = static_cast<std::size_t>(weightOf(layer, 0).count / outputs);
  sums_.assign(static_cast<std::size_t>(groups), Eigen::VectorXd::Zero(indexOf(depth_)));
  std::vector<Eigen::MatrixXf> zeros;
  for (std::size_t b = 0; b < blocks(); ++b)
    zeros.push_back(Eigen::MatrixXf::Zero(indexOf(blockSize(b)), indexOf(blockSize(b))));
  products_.assign(static_cast<std::size_t>(groups), zeros);
}

void LayerMoments::add(std::span<const float> input, const Dims& dims) {
  Eigen::Index taken = 0;
  for (std::size_t g = 0; g < groups(); ++g) {
    Eigen::MatrixXf columns = gather(input, dims, g);
    if (!columns.allFinite()) return;
    taken = columns.cols();
    sums_[g] += columns.cast<double>().rowwise().sum();
    for (std::size_t b = 0; b < blocks(); ++b)
      products_[g][b].selfadjointView<Eigen::Lower>().rankUpdate(
          columns.middleRows(indexOf(blockBegin(b)), indexOf(blockSize(b))));
  }
  count_ += static_cast<double>(taken);
}

Eigen::MatrixXf LayerMoments::gather(std::span<const float> input, const Dims& dims,
                                     std::size_t group) const {
  if (!convolution_)
    return Eigen::Map<const Eigen::MatrixXf>(input.data(), indexOf(depth_),
                                             indexOf(input.size() / depth_));
  Window3 w(resolveWindow(*convolution_, dims), dims);
  std::int64_t count = dims[0] * w.out[0] * w.out[1] * w.out[2];
  std::int64_t wanted = std::min(count, dims[0] * kPositions);
  Eigen::MatrixXf columns(indexOf(depth_), wanted);
  std::int64_t plane = w.in[0] * w.in[1] * w.in[2];
  std::int64_t channels =
      static_cast<std::int64_t>(depth_) / (w.kernel[0] * w.kernel[1] * w.kernel[2]);
  std::vector<std::int64_t> taps;  // where each lies in a channel; below 0: in the padding
  for (std::int64_t i = 0; i < wanted; ++i) {
    std::int64_t at = wanted == count ? i : spread(i, count);
    std::int64_t ox = at % w.out[2], oy = at / w.out[2] % w.out[1];
    std::int64_t oz = at / (w.out[2] * w.out[1]) % w.out[0];
    std::int64_t n = at / (w.out[2] * w.out[1] * w.out[0]);
    taps.clear();
    for (std::int64_t kz = 0; kz < w.kernel[0]; ++kz)
      for (std::int64_t ky = 0; ky < w.kernel[1]; ++ky)
        for (std::int64_t kx = 0; kx < w.kernel[2]; ++kx)
          taps.push_back(w.offsetUnder({kz, ky, kx}, {oz, oy, ox}, w.in));
    const float* x =
        input.data() + (n * dims[1] + static_cast<std::int64_t>(group) * channels) * plane;
    float* column = columns.col(i).data();
    for (std::int64_t c = 0; c < channels; ++c, x += plane)
      for (std::int64_t under : taps) *column++ = under < 0 ? 0 : x[under];
  }
  return columns;
}

Eigen::MatrixXd LayerMoments::covariance(std::size_t group, std::size_t block) const {
  Eigen::MatrixXd products = products_[group][block].cast<double>().selfadjointView<Eigen::Lower>();
  Eigen::VectorXd means = mean(group).segment(indexOf(blockBegin(block)), products.rows());
  return products / count_ - means * means.transpose();
}

}  // namespace layerwise
