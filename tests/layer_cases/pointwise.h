#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/layer_cases/parts.h"

/// Cases of layers that compute each element from the elements at its place.
namespace layerwise::test {

inline LayerCase activationCase(Random& r, int index) {
  Activation a{nth<ActivationType>(index)};
  a.alpha = a.type == ActivationType::kClip ? r.real(-1, 0) : r.real(0.1, 1.5);
  a.beta = r.real(0.2, 1.5);
  return {{{.dims = r.chance(0.7) ? imageDims(r) : anyDims(r), .low = -6, .high = 6}},
          defineOne(a),
          2e-6};
}

inline LayerCase unaryCase(Random& r, int index) {
  auto operation = nth<UnaryOperation>(index);
  CaseInput in{.dims = r.chance(0.6) ? imageDims(r) : anyDims(r), .low = -3, .high = 3};
  bool integers = operation == UnaryOperation::kAbs || operation == UnaryOperation::kNegate ||
                  operation == UnaryOperation::kSign;
  switch (operation) {
    case UnaryOperation::kLog:
    case UnaryOperation::kSqrt:
      in.low = 0.01;
      break;
    case UnaryOperation::kReciprocal:
      in.low = 0.1;
      break;
    case UnaryOperation::kAsin:
    case UnaryOperation::kAcos:
    case UnaryOperation::kAtanh:
      in.low = -0.95, in.high = 0.95;
      break;
    case UnaryOperation::kTan:
      in.low = -1.4, in.high = 1.4;
      break;
    case UnaryOperation::kAcosh:
      in.low = 1;
      break;
    case UnaryOperation::kNot:
      in.type = DataType::kBool;
      break;
    case UnaryOperation::kRound:
    case UnaryOperation::kIsInf:
    case UnaryOperation::kIsNan: {
      constexpr double kInfinity = std::numeric_limits<double>::infinity();
      const double special[] = {0.5, 1.5, -2.5, -0.0, kInfinity, -kInfinity, std::nan("")};
      for (std::int64_t i = 0; i < in.dims.volume(); ++i)
        in.values.push_back(r.chance(0.3) ? r.real(-3, 3) : special[r.pick(0, 6)]);
      break;
    }
    default:
      if (integers && r.chance(0.5)) {
        in.type = r.chance(0.5) ? DataType::kInt32 : DataType::kInt64;
        in.low = -100, in.high = 100;
      }
  }
  return {{in}, defineOne(Unary{operation}), 2e-6};
}

inline LayerCase scaleCase(Random& r, int index) {
  Scale a{nth<ScaleMode>(index)};
  Dims dims = imageDims(r);
  if (a.mode == ScaleMode::kChannel && r.chance(0.3)) a.channelAxis = -1;
  std::int64_t count = a.mode == ScaleMode::kUniform ? 1
                       : a.mode == ScaleMode::kChannel
                           ? dims[a.channelAxis < 0 ? dims.rank() - 1 : 1]
                           : dims.volume() / kBatch;
  bool power = r.chance(0.3);
  // A power needs a base above zero.
  auto shift = r.floats(r.chance(0.8) || power ? count : 0, power ? 3 : -1, power ? 4 : 1);
  auto scale = r.floats(r.chance(0.8) ? count : 0);
  return {{{.dims = dims}}, defineOne(a, {shift, scale, r.floats(power ? count : 0)}), 2e-6};
}

inline LayerCase batchNormCase(Random& r, int) {
  Dims dims = r.chance(0.8) ? imageDims(r) : Dims{kBatch, r.pick(1, 50)};
  bool affine = r.chance(0.8);
  return {{{.dims = dims}},
          defineOne(BatchNorm{r.real(1e-5, 1e-2)},
                    {r.floats(affine ? dims[1] : 0), r.floats(affine ? dims[1] : 0),
                     r.floats(dims[1]), r.floats(dims[1], 0.1, 2)}),
          5e-6};
}

inline LayerCase elementwiseCase(Random& r, int index) {
  auto operation = nth<ElementWiseOperation>(index);
  Dims dims = r.chance(0.6) ? imageDims(r) : anyDims(r);
  CaseInput a{.dims = dims}, b = r.chance(0.5) ? CaseInput{.dims = dims} : broadcastInput(r, dims);
  if (r.chance(0.3) && b.dims.rank() == dims.rank()) std::swap(a, b);
  bool logical = operation >= ElementWiseOperation::kAnd;
  double tolerance = 2e-6;
  if (logical) {
    a.type = b.type = DataType::kBool;
  } else if (r.chance(0.4)) {
    a.type = b.type = r.chance(0.5) ? DataType::kInt32 : DataType::kInt64;
    a.low = b.low = -9, a.high = b.high = 9;
  } else if (operation == ElementWiseOperation::kPower) {
    a.low = 0.1;
  } else if (operation == ElementWiseOperation::kFloorDivide ||
             operation == ElementWiseOperation::kModulo ||
             operation == ElementWiseOperation::kDivide) {
    b.low = 0.3, b.high = 2;
    if (r.chance(0.5)) std::swap(b.low, b.high), b.low = -b.low, b.high = -b.high;
  }
  return {{a, b}, defineOne(ElementWise{operation}), tolerance};
}

inline LayerCase selectCase(Random& r, int) {
  Dims dims = r.chance(0.6) ? imageDims(r) : anyDims(r);
  CaseInput condition = broadcastInput(r, dims), b = broadcastInput(r, dims);
  condition.type = DataType::kBool;
  DataType type = r.chance(0.6) ? DataType::kFloat32 : DataType::kInt64;
  CaseInput a{.dims = dims, .type = type, .low = -50, .high = 50};
  b.type = type;
  return {{condition, a, b}, defineOne(Select{})};
}

inline LayerCase parametricReluCase(Random& r, int) {
  Dims dims = imageDims(r);
  CaseInput slope = broadcastInput(r, dims);
  return {{{.dims = dims}, slope}, defineOne(ParametricRelu{}), 2e-6};
}

inline LayerCase castCase(Random& r, int index) {
  constexpr DataType kFrom[] = {DataType::kFloat32, DataType::kInt32, DataType::kInt64,
                                DataType::kBool,    DataType::kUInt8, DataType::kInt8};
  CaseInput in{.dims = r.chance(0.6) ? imageDims(r) : anyDims(r), .type = kFrom[r.pick(0, 5)]};
  bool wide = in.type == DataType::kFloat32 || in.type == DataType::kInt32;
  in.low = in.type == DataType::kUInt8 ? 0 : wide ? -300 : -100;
  in.high = wide ? 300 : 100;
  return {{in}, defineOne(Cast{static_cast<DataType>(index % 8)})};
}

}  // namespace layerwise::test
