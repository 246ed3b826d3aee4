#include "layers/quantized_convolution.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "layers/activate.h"
#include "layers/convolution_shape.h"
#include "layers/layer_kind.h"
#include "layers/spatial.h"

namespace layerwise {
namespace {

void expectQuantization(const ShapeContext& c, std::string_view what, double scale,
                        std::int64_t zeroPoint) {
  if (!(static_cast<float>(scale) > 0) || !std::isfinite(1 / static_cast<float>(scale)) ||
      !std::isfinite(static_cast<float>(scale)))
    c.fail("{}_scale {} and its inverse must be numbers above 0", what, scale);
  if (zeroPoint < 0 || zeroPoint > 255)
    c.fail("{}_zero_point {} is outside 0...255", what, zeroPoint);
}

void expectWeightType(const ShapeContext& c, int slot, std::string_view role, DataType type) {
  DataType given = c.weights[static_cast<std::size_t>(slot)].type;
  if (given != type) c.fail("{} is {}, {} needed", role, toString(given), toString(type));
}

std::vector<TensorInfo> infer(const QuantizedConvolution& a, const ShapeContext& c) {
  const Convolution& geometry = a.convolution;
  if (c.type() != DataType::kUInt8) c.fail("input 0 is {}, uint8 needed", toString(c.type()));
  SpatialWindow window = resolveWindow(geometry, c.dims());
  Dims kernel = kernelDims(geometry, c);
  c.expectWeights(0, "kernel", kernel);
  c.expectWeights(1, "scales", {geometry.outputs});
  c.expectWeights(2, "bias", {geometry.outputs});
  expectWeightType(c, 0, "kernel", DataType::kInt8);
  expectWeightType(c, 1, "scales", DataType::kFloat32);
  expectWeightType(c, 2, "bias", DataType::kFloat32);
  std::int64_t depth = kernel.volume() / geometry.outputs;
  if (depth > kMaxQuantizedDepth)
    c.fail("sums of {} terms may overflow: at most {}", depth, kMaxQuantizedDepth);
  expectQuantization(c, "input", a.inputScale, a.inputZeroPoint);
  if (a.outputType != DataType::kUInt8 && a.outputType != DataType::kFloat32)
    c.fail("output_type {} is neither uint8 nor float32", toString(a.outputType));
  expectQuantization(c, "output", a.outputScale, a.outputZeroPoint);
  Dims out = convolvedDims(geometry, window, c);
  std::size_t inputs = a.residual == ResidualOrder::kNoResidual ? 1 : 2;
  if (c.inputs.size() != inputs)
    c.fail("{} inputs, {} needed for this residual", c.inputs.size(), inputs);
  if (inputs == 2) {
    if (c.type(1) != DataType::kUInt8 && c.type(1) != DataType::kFloat32)
      c.fail("the residual is {}, uint8 or float32 needed", toString(c.type(1)));
    if (!(c.dims(1) == out))
      c.fail("the residual is {}, the output {}", toString(c.dims(1)), toString(out));
    expectQuantization(c, "residual", a.residualScale, a.residualZeroPoint);
    if (c.type(1) == DataType::kFloat32 && (a.residualScale != 1 || a.residualZeroPoint != 0))
      c.fail("a float32 residual has scale 1 and zero point 0, not {} and {}", a.residualScale,
             a.residualZeroPoint);
  }
  return {{a.outputType, out}};
}

/// What becomes of the exact sums: the float32 steps, each rounded.
class Finish {
 public:
  explicit Finish(const FoldedQuantization& folded)
      : folded_(folded),
        a_(folded.layer),
        activation_(withFloat32Parameters(folded.layer.activation)) {}

  double operator()(std::int64_t sum, std::size_t channel, double residual) const {
    float y = std::fma(static_cast<float>(sum), folded_.scales[channel], folded_.bias[channel]);
    if (a_.residual == ResidualOrder::kBeforeActivation) y = add(residual, y);
    if (a_.activated) y = static_cast<float>(activate(activation_, y));
    if (a_.residual == ResidualOrder::kAfterActivation) y = add(residual, y);
    if (a_.outputType == DataType::kFloat32) return y;
    float quanta = y * (1 / static_cast<float>(a_.outputScale));
    return std::clamp(std::nearbyint(double{quanta}) + static_cast<double>(a_.outputZeroPoint), 0.0,
                      255.0);
  }

 private:
  float add(double residual, float y) const {
    return std::fma(static_cast<float>(residual - static_cast<double>(a_.residualZeroPoint)),
                    static_cast<float>(a_.residualScale), y);
  }

  const FoldedQuantization& folded_;
  const QuantizedConvolution& a_;
  Activation activation_;
};

std::vector<float> floatsOf(const std::vector<double>& values) {
  return {values.begin(), values.end()};
}

void reference(const QuantizedConvolution& a, const ReferenceContext& c) {
  const Convolution& geometry = a.convolution;
  const Dims& in = c.inputs[0].info.dims;
  Window3 w(resolveWindow(geometry, in), in);
  std::int64_t groupIn = in[1] / geometry.groups, groupOut = geometry.outputs / geometry.groups;
  std::int64_t plane = w.in[0] * w.in[1] * w.in[2];
  const double* x = c.inputs[0].values.data();
  const double* kernel = c.weights[0].values.data();
  const double* residual = c.inputs.size() > 1 ? c.inputs[1].values.data() : nullptr;
  FoldedQuantization folded =
      foldQuantization(a, floatsOf(c.weights[1].values), floatsOf(c.weights[2].values));
  Finish finish(folded);
  double* y = c.outputs[0].values.data();
  for (std::int64_t n = 0; n < in[0]; ++n)
    for (std::int64_t o = 0; o < geometry.outputs; ++o)
      for (std::int64_t oz = 0; oz < w.out[0]; ++oz)
        for (std::int64_t oy = 0; oy < w.out[1]; ++oy)
          for (std::int64_t ox = 0; ox < w.out[2]; ++ox) {
            std::int64_t sum = 0;
            const double* tap = kernel + o * groupIn * w.kernel[0] * w.kernel[1] * w.kernel[2];
            for (std::int64_t i = 0; i < groupIn; ++i)
              for (std::int64_t kz = 0; kz < w.kernel[0]; ++kz)
                for (std::int64_t ky = 0; ky < w.kernel[1]; ++ky)
                  for (std::int64_t kx = 0; kx < w.kernel[2]; ++kx, ++tap) {
                    std::int64_t at = w.offsetUnder({kz, ky, kx}, {oz, oy, ox}, w.in);
                    if (at < 0) continue;
                    std::int64_t channel = n * in[1] + o / groupOut * groupIn + i;
                    auto value = static_cast<std::int64_t>(x[channel * plane + at]);
                    sum += (value - a.inputZeroPoint) * static_cast<std::int64_t>(*tap);
                  }
            *y++ = finish(sum, static_cast<std::size_t>(o), residual ? *residual++ : 0);
          }
}

}  // namespace

FoldedQuantization foldQuantization(const QuantizedConvolution& layer,
                                    const std::vector<float>& scales,
                                    const std::vector<float>& bias) {
  FoldedQuantization folded{layer, scales, bias};
  QuantizedConvolution& a = folded.layer;
  a.inputScale = 1;
  bool clips = !layer.activated || layer.activation.type == ActivationType::kRelu ||
               layer.activation.type == ActivationType::kClip;
  if (layer.outputType != DataType::kUInt8 || !clips ||
      layer.residual == ResidualOrder::kAfterActivation) {
    for (float& scale : folded.scales) scale = static_cast<float>(layer.inputScale * scale);
    return folded;
  }
  double quantum = layer.outputScale, zero = static_cast<double>(layer.outputZeroPoint);
  for (float& scale : folded.scales) scale = static_cast<float>(layer.inputScale * scale / quantum);
  a.outputScale = 1, a.outputZeroPoint = 0;
  double zeros = zero;
  if (layer.residual != ResidualOrder::kNoResidual) {
    a.residualScale = layer.residualScale / quantum;
    zeros -= static_cast<double>(layer.residualZeroPoint) * a.residualScale;
    a.residualZeroPoint = 0;
  }
  for (float& b : folded.bias) b = static_cast<float>(b / quantum + zeros);
  if (layer.activated) {
    bool relu = layer.activation.type == ActivationType::kRelu;
    a.activation.type = ActivationType::kClip;
    a.activation.alpha = (relu ? 0 : layer.activation.alpha) / quantum + zero;
    a.activation.beta =
        relu ? std::numeric_limits<double>::infinity() : layer.activation.beta / quantum + zero;
  }
  return folded;
}

void registerLayer_quantized_convolution(LayerRegistry& registry) {
  registry.add<QuantizedConvolution>({.weightRoles = {"kernel", "scales", "bias"},
                                      .maxInputs = 2,
                                      .infer = infer,
                                      .reference = reference,
                                      .imageByImage = alwaysImageByImage<QuantizedConvolution>});
}

}  // namespace layerwise
