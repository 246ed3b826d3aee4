#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "engine/graph.h"

namespace layerwise {

/// Mean and covariance of what a convolution or fully connected layer multiplies its weights with.
/// A column is what one output of a group is a sum of: input channels times window. Columns are
/// taken at positions spread evenly over each picture. Long ones are cut into blocks; how numbers
/// of different blocks hang together is not looked at.
class LayerMoments {
 public:
  explicit LayerMoments(const Node& layer);

  /// Takes columns from a batch of the layer's input.
  void add(std::span<const float> input, const Dims& dims);

  bool isEmpty() const { return count_ == 0; }
  std::size_t groups() const { return sums_.size(); }
  std::size_t depth() const { return depth_; }  ///< of a column
  std::size_t blocks() const { return (depth_ + kBlock - 1) / kBlock; }
  std::size_t blockBegin(std::size_t block) const { return block * kBlock; }
  std::size_t blockSize(std::size_t block) const {
    return std::min(depth_ - block * kBlock, kBlock);
  }
  Eigen::VectorXd mean(std::size_t group) const { return sums_[group] / count_; }
  Eigen::MatrixXd covariance(std::size_t group, std::size_t block) const;

 private:
  static constexpr std::size_t kBlock = 576;
  /// One column of numbers for each position.
  Eigen::MatrixXf gather(std::span<const float> input, const Dims& dims, std::size_t group) const;

  std::optional<Convolution> convolution_;  ///< none: fully connected
  std::size_t depth_ = 0;
  double count_ = 0;                                    ///< columns
  std::vector<Eigen::VectorXd> sums_;                   ///< by group
  std::vector<std::vector<Eigen::MatrixXf>> products_;  ///< by group and block; the lower triangles
};

}  // namespace layerwise
