#pragma once

#include "tests/layer_case.h"

/// What the cases of several families are made of.
namespace layerwise::test {

template <class E>
E nth(int index) {
  return static_cast<E>(index % static_cast<int>(EnumNames<E>::kNames.size()));
}

/// N x C x spatial axes (one to three); smaller sizes where there are more axes.
inline Dims imageDims(Random& r, std::int64_t channels, int spatial) {
  Dims dims{kBatch, channels};
  std::int64_t largest = spatial == 1 ? 40 : spatial == 2 ? 13 : 6;
  for (int i = 0; i < spatial; ++i) dims.append(r.pick(3, largest));
  return dims;
}

inline Dims imageDims(Random& r) {
  return imageDims(r, r.pick(1, 37), static_cast<int>(r.pick(1, 3)));
}

/// An int8 or uint8 tensor with all of the type's values.
inline CaseInput eightBitInput(Random& r, const Dims& dims) {
  if (r.chance(0.5)) return {.dims = dims, .type = DataType::kInt8, .low = -128.99, .high = 127.99};
  return {.dims = dims, .type = DataType::kUInt8, .low = 0, .high = 255.99};
}

/// A tensor of one to five axes.
inline Dims anyDims(Random& r) {
  Dims dims{kBatch};
  auto axes = static_cast<int>(r.pick(0, 4));
  for (int i = 0; i < axes; ++i) dims.append(r.pick(1, axes > 2 ? 7 : 19));
  return dims;
}

template <class A>
auto defineOne(A attributes, std::vector<std::vector<float>> weights = {}) {
  return [=](Network& n, const std::vector<Tensor*>& in) {
    std::vector<Weights> kept;
    for (const auto& values : weights) kept.push_back(values.empty() ? Weights{} : n.keep(values));
    auto& layer = n.add(attributes, in, kept);
    std::vector<Tensor*> outputs;
    for (int i = 0; i < layer.outputCount(); ++i) outputs.push_back(&layer.output(i));
    return outputs;
  };
}

/// A shape that broadcasts with `dims`: some axes 1, leading ones missing.
inline CaseInput broadcastInput(Random& r, const Dims& dims) {
  auto missing = static_cast<int>(r.chance(0.6) ? 0 : r.pick(0, dims.rank()));
  Dims shape;
  for (int i = missing; i < dims.rank(); ++i) shape.append(r.chance(0.3) ? 1 : dims[i]);
  return {.dims = shape, .batched = missing == 0 && !shape.empty() && shape[0] == dims[0]};
}

inline DataType anyType(Random& r) {
  constexpr DataType kTypes[] = {DataType::kFloat32, DataType::kFloat32, DataType::kInt32,
                                 DataType::kInt64, DataType::kUInt8};
  return kTypes[r.pick(0, 4)];
}

}  // namespace layerwise::test
