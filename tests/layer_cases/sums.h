#pragma once

#include <cmath>

#include "tests/layer_cases/parts.h"

/// Cases of layers that combine the elements of whole axes.
namespace layerwise::test {

inline LayerCase matrixMultiplyCase(Random& r, int) {
  MatrixMultiply a{nth<MatrixOperation>(static_cast<int>(r.pick(0, 5)) % 3),
                   nth<MatrixOperation>(static_cast<int>(r.pick(0, 5)) % 3)};
  std::int64_t m = r.pick(1, 30), k = r.pick(1, 70), n = r.pick(1, 300);
  auto matrix = [](MatrixOperation operation, std::int64_t rows, std::int64_t columns,
                   std::int64_t vector) {
    if (operation == MatrixOperation::kVector) return Dims{vector};
    return operation == MatrixOperation::kTranspose ? Dims{columns, rows} : Dims{rows, columns};
  };
  Dims left = matrix(a.a, m, k, k), right = matrix(a.b, k, n, k), dimsA{kBatch}, dimsB;
  bool bothBatched = r.chance(0.6), heads = bothBatched && r.chance(0.3);
  if (bothBatched) dimsB.append(kBatch);
  if (heads) dimsA.append(2), dimsB.append(r.chance(0.5) ? 1 : 2);
  for (std::int64_t size : left) dimsA.append(size);
  for (std::int64_t size : right) dimsB.append(size);
  LayerCase made{{{.dims = dimsA}, {.dims = dimsB, .batched = bothBatched}}, defineOne(a), 1e-5};
  return made;
}

inline LayerCase fullyConnectedCase(Random& r, int) {
  Dims dims = r.chance(0.5) ? imageDims(r) : Dims{kBatch, r.pick(1, 300)};
  FullyConnected a{r.pick(1, 80), r.pick(1, dims.rank() - 1)};
  std::int64_t depth = 1;
  for (auto i = static_cast<int>(a.axis); i < dims.rank(); ++i) depth *= dims[i];
  auto kernel = r.floats(a.outputs * depth), bias = r.floats(r.chance(0.7) ? a.outputs : 0);
  if (r.chance(0.3)) a.axis -= dims.rank();
  return {{{.dims = dims}}, defineOne(a, {kernel, bias}), 1e-5};
}

/// One of so many weights that those of a bfloat16 engine may be bytes, with what follows it.
inline LayerCase largeFullyConnectedCase(Random& r, int index) {
  const std::int64_t depth = r.pick(1400, 1500);
  const Dims dims = index % 2 ? Dims{kBatch, 1, depth} : Dims{kBatch, depth};
  const int axis = dims.rank() - 1;
  const FullyConnected a{r.pick(760, 800), axis};
  const double most = 3 / std::sqrt(static_cast<double>(depth));
  auto layer = defineOne(
      a, {r.floats(a.outputs * depth, -most, most), r.floats(r.chance(0.7) ? a.outputs : 0)});
  Dims sum = dims;
  sum[axis] = a.outputs;
  const bool added = index % 3 == 1, activated = index % 3 == 2;
  auto define = [=](Network& n, const std::vector<Tensor*>& in) {
    Tensor* y = layer(n, {in[0]})[0];
    if (added) y = &n.addElementWise(*y, *in[1], ElementWiseOperation::kSum).output();
    if (activated) y = &n.addActivation(*y, ActivationType::kRelu).output();
    return std::vector<Tensor*>{y};
  };
  std::vector<CaseInput> inputs{{.dims = dims}};
  if (added) inputs.push_back({.dims = sum});
  return {inputs, define, 1e-5};
}

/// A fully connected layer, and what an epilogue may take of it: an activation, a residual.
inline LayerCase fullyConnectedActivationCase(Random& r, int index) {
  Dims dims =
      index % 2 ? Dims{kBatch, r.pick(1, 9), r.pick(1, 700)} : Dims{kBatch, r.pick(1, 1500)};
  int axis = dims.rank() - 1;
  FullyConnected a{r.pick(1, 150), axis};
  // Sums near 1: an activation that saturates would let rounding errors of large ones stand out.
  double most = 3 / std::sqrt(static_cast<double>(dims[axis]));
  auto layer = defineOne(a, {r.floats(a.outputs * dims[axis], -most, most), r.floats(a.outputs)});
  Activation activation{nth<ActivationType>(index), r.real(0.1, 0.5), r.real(0.5, 2)};
  Dims sum = dims;
  sum[axis] = a.outputs;
  bool added = r.chance(0.5), first = r.chance(0.5);
  auto define = [=](Network& n, const std::vector<Tensor*>& in) {
    Tensor* y = layer(n, {in[0]})[0];
    if (added && first) y = &n.addElementWise(*y, *in[1], ElementWiseOperation::kSum).output();
    y = &n.add(activation, {y}).output();
    if (added && !first) y = &n.addElementWise(*y, *in[1], ElementWiseOperation::kSum).output();
    return std::vector<Tensor*>{y};
  };
  LayerCase made{{{.dims = dims}}, define, 1e-5};
  if (added) made.inputs.push_back({.dims = sum});
  return made;
}

inline LayerCase softmaxCase(Random& r, int) {
  Dims dims = r.chance(0.7) ? imageDims(r) : Dims{kBatch, r.pick(1, 200)};
  Softmax a{r.pick(1, dims.rank() - 1)};
  if (r.chance(0.3)) a.axis -= dims.rank();
  return {{{.dims = dims, .low = -9, .high = 9}}, defineOne(a), 5e-6};
}

inline LayerCase reduceCase(Random& r, int index) {
  Dims dims = r.chance(0.7) ? imageDims(r) : anyDims(r);
  Reduce a{.operation = nth<ReduceOperation>(index), .keepDimensions = r.chance(0.5)};
  for (int axis = 1; axis < dims.rank(); ++axis)
    if (r.chance(0.5)) a.axes.push_back(r.chance(0.3) ? axis - dims.rank() : axis);
  LayerCase made{{{.dims = dims}}, {}, 2e-6};
  if (a.axes.empty()) made.batched = false;
  if (a.operation == ReduceOperation::kProduct) made.inputs[0].low = 0.8, made.inputs[0].high = 1.2;
  if (r.chance(0.3)) {
    made.inputs[0].type = r.chance(0.5) ? DataType::kInt32 : DataType::kInt64;
    made.inputs[0].low = a.operation == ReduceOperation::kProduct ? 0 : -50;
    made.inputs[0].high = a.operation == ReduceOperation::kProduct ? 1.1 : 50;
  }
  made.define = defineOne(a);
  return made;
}

inline LayerCase topKCase(Random& r, int index) {
  Dims dims = r.chance(0.5) ? imageDims(r) : Dims{kBatch, r.pick(1, 100)};
  auto axis = static_cast<int>(r.pick(1, dims.rank() - 1));
  TopK a{r.pick(1, dims[axis]), r.chance(0.3) ? axis - dims.rank() : axis, index % 2 == 0};
  CaseInput in{.dims = dims, .low = -4, .high = 4};
  if (r.chance(0.5)) {  // ties, and NaN among them
    for (std::int64_t i = 0; i < dims.volume(); ++i)
      in.values.push_back(r.chance(0.1) ? std::nan("") : static_cast<double>(r.pick(-2, 2)));
  } else if (r.chance(0.5)) {
    in.type = r.chance(0.5) ? DataType::kInt32 : DataType::kInt64;
  }
  return {{in}, defineOne(a)};
}

inline LayerCase normalizationCase(Random& r, int index) {
  bool grouped = index % 3 == 0;
  std::int64_t groups = grouped ? r.pick(2, 5) : 1;
  Dims dims = imageDims(r, groups * r.pick(1, 9), static_cast<int>(r.pick(1, 3)));
  Normalization a{.axes = {}, .epsilon = r.real(1e-5, 1e-2), .groups = groups};
  auto first = static_cast<int>(r.pick(1, dims.rank() - 1));
  for (int axis = first; axis < dims.rank(); ++axis)
    a.axes.push_back(index % 2 ? axis - dims.rank() : axis);
  LayerCase made{{{.dims = dims}}, defineOne(a), 2e-5};
  for (std::int64_t i = r.pick(0, 2); i > 0; --i) {
    CaseInput extra = broadcastInput(r, dims);
    made.inputs.push_back(extra);
  }
  return made;
}

inline LayerCase lstmCase(Random& r, int index) {
  std::int64_t width = r.pick(1, 20), hidden = r.pick(1, 17), steps = r.pick(1, 6);
  Lstm a{.hidden = hidden,
         .layers = r.pick(1, 3),
         .bidirectional = index % 2 == 1,
         .bias = r.chance(0.7)};
  std::int64_t directions = a.bidirectional ? 2 : 1, columns = 0;
  for (std::int64_t layer = 0; layer < a.layers; ++layer)
    columns += directions * ((layer ? hidden * directions : width) + hidden + (a.bias ? 2 : 0));
  LayerCase made{{{.dims = {kBatch, steps, width}}},
                 defineOne(a, {r.floats(4 * hidden * columns, -0.5, 0.5)}),
                 1e-5};
  made.outputBatchAxes = {0, 1, 1};
  if (r.chance(0.5)) {
    Dims state{a.layers * directions, kBatch, hidden};
    made.inputs.push_back({.dims = state, .batched = false});
    made.inputs.push_back({.dims = state, .batched = false});
    made.batched = false;
  }
  return made;
}

}  // namespace layerwise::test
