#include "layers/quantization.h"

#include "layers/index_space.h"

namespace layerwise {

void expectEightBits(const ShapeContext& c, std::string_view what, DataType type) {
  if (type != DataType::kInt8 && type != DataType::kUInt8)
    c.fail("{} is {}, int8 or uint8 needed", what, toString(type));
}

void expectQuantizationWeights(const ShapeContext& c, std::int64_t axis) {
  Dims expected{1};
  if (c.weights[0].count != 1 || c.weights[1].count > 1)
    expected[0] = c.dims()[c.axis(axis, c.dims().rank())];
  if (c.weights[0].count != 1) c.expectWeights(0, "scales", expected);
  if (c.weights[1].count != 1) c.expectWeights(1, "zero_points", expected, true);
}

QuantizationOf::QuantizationOf(const Dims& dims, std::int64_t axis, const ReferenceContext& c)
    : scales_(c.weights[0].values), zeroPoints_(c.weights[1].values) {
  if (scales_.size() <= 1 && zeroPoints_.size() <= 1) return;
  AxisSplit split(dims, static_cast<int>(axis < 0 ? axis + dims.rank() : axis));
  inner_ = static_cast<std::size_t>(split.inner);
  size_ = static_cast<std::size_t>(split.size);
}

float QuantizationOf::scale(std::size_t element) const {
  return static_cast<float>(scales_[scales_.size() == 1 ? 0 : channel(element)]);
}

double QuantizationOf::zeroPoint(std::size_t element) const {
  if (zeroPoints_.empty()) return 0;
  return zeroPoints_[zeroPoints_.size() == 1 ? 0 : channel(element)];
}

}  // namespace layerwise
