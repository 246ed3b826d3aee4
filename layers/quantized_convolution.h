#pragma once

#include <vector>

#include "layerwise/layers.h"

namespace layerwise {

enum class ResidualOrder : std::int32_t { kNoResidual, kBeforeActivation, kAfterActivation };
LAYERWISE_ENUM_NAMES(ResidualOrder, "none", "before_activation", "after_activation");

/// A convolution in integers with everything that follows it up to the next quantisation: what the
/// builder makes of Dequantize, Convolution, Activation, a sum and Quantize. Internal: networks do
/// not hold it, engines do. A fully connected layer is the same over N x C x 1 x 1.
///
/// Inputs: x, uint8, N x C x spatial (1 to 3 axes); with `residual`, a second one of the output's
/// shape, uint8 or float32. Weights: kernel int8 [outputs x C/groups x kernel...], scales float32
/// [outputs], bias float32 [outputs]. A uint8 q of a tensor with a scale and a zero point z stands
/// for scale (q - z). Output: uint8 or float32 (`outputType`).
///
///   acc = sum of (x - inputZeroPoint) kernel      exact; the padding reads inputZeroPoint
///   y = fma(float(acc), scales'[c], bias'[c])
///   y = activation(fma(float(residual - residualZeroPoint), residualScale, y)), or
///   y = fma(float(residual - residualZeroPoint), residualScale, activation(y))
///   q = clamp(rint(y * (1 / outputScale)) + outputZeroPoint, 0, 255)
///
/// Every operation after the sum is one of float32, rounded to nearest, ties to even; scales, alpha
/// and beta are rounded to float32 first. What they and scales' and bias' are, foldQuantization()
/// says. All tactics give these bits for no activation, kRelu, kLeakyRelu, kClip and
/// kThresholdedRelu; for the others q may be one off where y / outputScale is within 1e-4 of
/// half-way between two integers. What a NaN becomes is not defined. A float32 residual has scale 1
/// and zero point 0.
struct QuantizedConvolution {
  static constexpr std::string_view kKind = "quantized_convolution";
  Convolution convolution;
  bool activated = false;
  Activation activation;
  ResidualOrder residual = ResidualOrder::kNoResidual;
  double inputScale = 1;
  std::int64_t inputZeroPoint = 0;
  double residualScale = 1;
  std::int64_t residualZeroPoint = 0;
  DataType outputType = DataType::kUInt8;
  double outputScale = 1;
  std::int64_t outputZeroPoint = 0;
  template <class Self, class V>
  static void visit(Self& s, V&& v) {
    Convolution::visit(s.convolution, v);
    v("activated", s.activated), v("activation", s.activation.type);
    v("alpha", s.activation.alpha), v("beta", s.activation.beta), v("residual", s.residual);
    v("input_scale", s.inputScale), v("input_zero_point", s.inputZeroPoint);
    v("residual_scale", s.residualScale), v("residual_zero_point", s.residualZeroPoint);
    v("output_type", s.outputType), v("output_scale", s.outputScale),
        v("output_zero_point", s.outputZeroPoint);
  }
};

/// What the float32 steps of a quantised convolution compute with. Where y is only clipped (no
/// activation, kRelu or kClip, no residual behind it) and becomes uint8, y counts in quanta from
/// their least: the output's scale is divided out of all constants and its zero point added to the
/// bias and to the bounds, so that outputScale is 1 and all zero points but the input's are 0.
/// Elsewhere only inputScale goes into the scales. All in double precision, then rounded.
struct FoldedQuantization {
  QuantizedConvolution layer;  ///< inputScale is 1
  std::vector<float> scales, bias;
};
FoldedQuantization foldQuantization(const QuantizedConvolution& layer,
                                    const std::vector<float>& scales,
                                    const std::vector<float>& bias);

/// The most terms a sum may have so that it fits 32 bits whatever the values: (2^31 - 1) / (255 *
/// 128).
inline constexpr std::int64_t kMaxQuantizedDepth = 65793;

}  // namespace layerwise
