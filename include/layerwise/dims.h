#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "layerwise/export.h"

namespace layerwise {

/// A shape, or one number per axis (stride, padding, permutation): up to 8 values.
/// -1 stands for a dimension that is known only at run time.
class LAYERWISE_API Dims {
 public:
  static constexpr int kMaxRank = 8;

  constexpr Dims() = default;
  /// Throws Error for more than 8 values.
  Dims(std::initializer_list<std::int64_t> values);
  /// `rank` times `value`; throws Error for a rank outside 0...8.
  static Dims filled(int rank, std::int64_t value);

  constexpr int rank() const { return rank_; }
  constexpr bool empty() const { return rank_ == 0; }
  /// Axes count from 0 to rank() - 1; the index is not checked.
  constexpr std::int64_t operator[](int axis) const { return values_[axis]; }
  constexpr std::int64_t& operator[](int axis) { return values_[axis]; }
  constexpr const std::int64_t* begin() const { return values_.data(); }
  constexpr const std::int64_t* end() const { return values_.data() + rank_; }
  constexpr std::int64_t* begin() { return values_.data(); }
  constexpr std::int64_t* end() { return values_.data() + rank_; }
  /// Throws Error at rank 8.
  void append(std::int64_t value);

  /// The product of all values (1 for rank 0); throws Error when it does not fit 63 bits or a value
  /// is negative.
  std::int64_t volume() const;
  /// Whether any value is -1.
  bool isDynamic() const;

  bool operator==(const Dims& other) const;

 private:
  int rank_ = 0;
  std::array<std::int64_t, kMaxRank> values_{};
};

/// "1x3x640x640"; "scalar" for rank 0.
LAYERWISE_API std::string toString(const Dims& dims);

}  // namespace layerwise
