#pragma once

#include <cmath>
#include <memory>

#include "layers/quantized_convolution.h"
#include "tests/layer_cases/windows.h"

/// Cases of the layers that compute in 8 bits.
namespace layerwise::test {

/// Values in 8 bits and a scale an output channel, owned by the case that uses them.
struct QuantizedKernel {
  std::vector<std::int8_t> weights;
  std::vector<float> scales, bias;

  QuantizedKernel(Random& r, std::int64_t count, std::int64_t outputs, double typicalSum) {
    bool extreme = r.chance(0.2);  // where 16-bit sums of two products would saturate
    for (std::int64_t i = 0; i < count; ++i)
      weights.push_back(
          static_cast<std::int8_t>(extreme ? (r.chance(0.5) ? -128 : 127) : r.pick(-127, 127)));
    scales = r.floats(outputs, 0.5 / typicalSum, 1.5 / typicalSum);
    bias = r.floats(outputs, -0.5, 0.5);
  }

  std::vector<Weights> all() const {
    auto view = [](DataType type, const auto& values) {
      return Weights{type, values.data(), static_cast<std::int64_t>(values.size())};
    };
    return {view(DataType::kInt8, weights), view(DataType::kFloat32, scales),
            view(DataType::kFloat32, bias)};
  }
};

/// Whether all tactics must give the reference's very bits.
inline bool isExact(ActivationType type) {
  return type == ActivationType::kRelu || type == ActivationType::kLeakyRelu ||
         type == ActivationType::kClip || type == ActivationType::kThresholdedRelu;
}

/// Scales and zero points for `dims`: one for all, or one an entry of a random
/// axis other than the batch's.
template <class A>
auto defineQuantization(Random& r, A a, const Dims& dims, DataType type) {
  std::int64_t low = type == DataType::kInt8 ? -128 : 0, count = 1;
  if (dims.rank() > 1 && r.chance(0.5)) {
    a.axis = r.pick(1, dims.rank() - 1);
    count = dims[static_cast<int>(a.axis)];
    if (r.chance(0.3)) a.axis -= dims.rank();
  }
  std::vector<float> scales = r.floats(count, 0.01, 0.05), zeros;
  std::int64_t zeroPoints = r.chance(0.3) ? 0 : r.chance(0.3) ? 1 : count;
  for (std::int64_t i = 0; i < zeroPoints; ++i)
    zeros.push_back(static_cast<float>(r.pick(low, low + 255)));
  return defineOne(a, {scales, zeros});
}

inline LayerCase quantizeCase(Random& r, int index) {
  Dims dims = r.chance(0.7) ? imageDims(r) : anyDims(r);
  Quantize a{.to = index % 2 ? DataType::kInt8 : DataType::kUInt8};
  return {{{.dims = dims, .low = -5, .high = 5}}, defineQuantization(r, a, dims, a.to)};
}

inline LayerCase dequantizeCase(Random& r, int) {
  Dims dims = r.chance(0.7) ? imageDims(r) : anyDims(r);
  CaseInput in = eightBitInput(r, dims);
  return {{in}, defineQuantization(r, Dequantize{}, dims, in.type)};
}

inline CaseInput uint8Input(const Dims& dims) {
  return {.dims = dims, .type = DataType::kUInt8, .low = 0, .high = 255.99};
}

/// A quantised convolution of `geometry` over x: activations, residuals and types at random. The
/// output takes up most of its range and saturates now and then.
inline LayerCase quantizedCase(Random& r, int index, const Convolution& geometry, const Dims& x) {
  QuantizedConvolution a{.convolution = geometry};
  std::int64_t depth = x[1] / geometry.groups * geometry.kernel.volume();
  double typical = std::sqrt(static_cast<double>(depth)) * 74 * 73;
  auto kernel =
      std::make_shared<QuantizedKernel>(r, depth * geometry.outputs, geometry.outputs, typical);
  a.inputScale = r.real(0.5, 2);
  a.inputZeroPoint = r.chance(0.3) ? 0 : r.chance(0.3) ? 128 : r.pick(0, 255);
  a.activated = r.chance(0.7);
  a.activation = {static_cast<ActivationType>(
                      index % static_cast<int>(EnumNames<ActivationType>::kNames.size())),
                  r.real(-0.5, 0.3), r.real(0.5, 2)};
  bool exact = !a.activated || isExact(a.activation.type);
  if (r.chance(0.25)) a.outputType = DataType::kFloat32;
  a.outputScale = r.real(0.01, 0.03);
  a.outputZeroPoint = r.chance(0.3) ? 0 : r.pick(0, 255);
  LayerCase made{{uint8Input(x)}, {}, exact ? 0 : 2e-6};
  a.residual = static_cast<ResidualOrder>(r.pick(0, 2));
  a.residualScale = r.real(0.005, 0.02);
  a.residualZeroPoint = r.pick(0, 255);
  DataType residualType = r.chance(0.7) ? DataType::kUInt8 : DataType::kFloat32;
  auto define = [=](const QuantizedConvolution& attributes) {
    return [=](Network& n, const std::vector<Tensor*>& in) {
      auto& layer = n.add(attributes, in, kernel->all());
      return std::vector<Tensor*>{&layer.output()};
    };
  };
  if (residualType == DataType::kFloat32) a.residualScale = 1, a.residualZeroPoint = 0;
  if (a.residual != ResidualOrder::kNoResidual) {
    Network network;  // tells the output's shape
    QuantizedConvolution alone = a;
    alone.residual = ResidualOrder::kNoResidual;
    Tensor& input = network.addInput("x", DataType::kUInt8, x);
    CaseInput residual = uint8Input(define(alone)(network, {&input})[0]->dims());
    if (residualType == DataType::kFloat32)
      residual = {.dims = residual.dims, .low = -2, .high = 2};
    made.inputs.push_back(residual);
  }
  made.define = define(a);
  if (!exact && a.outputType == DataType::kUInt8) {
    QuantizedConvolution unrounded = a;
    unrounded.outputType = DataType::kFloat32;
    made.unrounded = define(unrounded);
    made.quantum = a.outputScale;
  }
  return made;
}

inline LayerCase quantizedConvolutionCase(Random& r, int index) {
  if (index % 4 == 1) {  // what Winograd's kernels take
    Convolution a{{.outputs = r.pick(16, 70), .kernel = {3, 3}}};
    a.setPadding({1, 1});
    return quantizedCase(r, index, a, imageDims(r, r.pick(16, 40), 2));
  }
  Channels channels(r);
  Dims dims = imageDims(r, channels.in, index % 4 == 3 ? static_cast<int>(r.pick(1, 3)) : 2);
  return quantizedCase(r, index, randomConvolution(r, channels, dims), dims);
}

/// A picture in float32 and the first convolution of a network.
inline LayerCase quantizedPictureCase(Random& r, int index) {
  Channels channels(r);
  channels.in = r.pick(1, 4), channels.groups = 1;
  Dims dims = imageDims(r, channels.in, 2);
  LayerCase made = quantizedCase(r, index, randomConvolution(r, channels, dims), dims);
  made.inputs[0] = {.dims = dims, .low = -5, .high = 5};
  auto quantize = defineOne(
      Quantize{}, {{static_cast<float>(r.real(0.01, 0.05))}, {static_cast<float>(r.pick(0, 255))}});
  auto behind = [=](auto define) {
    return [=](Network& n, const std::vector<Tensor*>& in) {
      std::vector<Tensor*> inputs = in;
      inputs[0] = quantize(n, {in[0]})[0];
      return define(n, inputs);
    };
  };
  made.define = behind(made.define);
  if (made.unrounded) made.unrounded = behind(made.unrounded);
  return made;
}

/// What a fully connected layer becomes.
inline LayerCase quantizedMatrixCase(Random& r, int index) {
  Convolution a{{.outputs = r.pick(1, 130), .kernel = {1, 1}}};
  return quantizedCase(r, index, a, {kBatch, r.pick(1, 300), 1, 1});
}

}  // namespace layerwise::test
