#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "layers/layer_kind.h"

namespace layerwise {

/// Throws where `type` is neither int8 nor uint8.
void expectEightBits(const ShapeContext& context, std::string_view what, DataType type);

/// The shape rule that Quantize and Dequantize share: one scale and zero point, or one an entry of
/// `axis`.
void expectQuantizationWeights(const ShapeContext& context, std::int64_t axis);

/// The least and the largest number that an 8-bit type holds.
struct EightBitRange {
  explicit EightBitRange(DataType type)
      : low(type == DataType::kInt8 ? -128 : 0), high(type == DataType::kInt8 ? 127 : 255) {}
  int low, high;
};

/// Which scale and zero point an element has, by its number in row-major order.
class QuantizationOf {
 public:
  QuantizationOf(const Dims& dims, std::int64_t axis, const ReferenceContext& context);
  float scale(std::size_t element) const;
  double zeroPoint(std::size_t element) const;

 private:
  std::size_t channel(std::size_t element) const { return element / inner_ % size_; }
  std::size_t inner_ = 1, size_ = 1;
  const std::vector<double>& scales_;
  const std::vector<double>& zeroPoints_;
};

}  // namespace layerwise
