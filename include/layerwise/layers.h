#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

#include "layerwise/data_type.h"
#include "layerwise/dims.h"
#include "layerwise/export.h"

/// The attributes of every layer. Each struct says what its layer computes, its inputs in order,
/// its weights, and the shapes; layers/<kind>.cpp holds the shape rule and the reference
/// computation. Spatial axes are all axes after the first two (N, C). An attribute of one number
/// per spatial axis may be left empty: stride and dilation are then 1, padding 0.
///
/// `visit` names the fields once; serialisation, hash, equality and printing all follow from it.
namespace layerwise {

/// The names of an enum's values, in order from 0; what a plan file holds is checked against them.
template <class E>
struct EnumNames;

#define LAYERWISE_ENUM_NAMES(E, ...)                                               \
  template <>                                                                      \
  struct EnumNames<E> {                                                            \
    static constexpr auto kNames = std::to_array<std::string_view>({__VA_ARGS__}); \
  }

/// How an output size follows from padding, as in TensorRT.
enum class PaddingMode : std::int32_t {
  kExplicitRoundDown,  ///< floor((in + pre + post - dilatedKernel) / stride) + 1
  kExplicitRoundUp,  ///< the same with ceil; for pooling, a last window that begins in the padding
                     ///< is dropped (PyTorch); a convolution reads zeros beyond the padding
  kSameUpper,        ///< ceil(in / stride), the odd element of padding goes to the end
  kSameLower,        ///< ceil(in / stride), the odd element of padding goes to the start
};
LAYERWISE_ENUM_NAMES(PaddingMode, "explicit_round_down", "explicit_round_up", "same_upper",
                     "same_lower");

enum class ActivationType : std::int32_t {
  kRelu,             ///< max(0, x)
  kSigmoid,          ///< 1 / (1 + exp(-x))
  kTanh,             ///< tanh(x)
  kLeakyRelu,        ///< x >= 0 ? x : alpha x
  kElu,              ///< x >= 0 ? x : alpha (exp(x) - 1)
  kSelu,             ///< beta (x >= 0 ? x : alpha (exp(x) - 1))
  kSoftsign,         ///< x / (1 + |x|)
  kSoftplus,         ///< alpha log(exp(beta x) + 1)
  kClip,             ///< min(beta, max(alpha, x))
  kHardSigmoid,      ///< min(1, max(0, alpha x + beta))
  kScaledTanh,       ///< alpha tanh(beta x)
  kThresholdedRelu,  ///< x > alpha ? x : 0
  kGeluErf,          ///< x / 2 (1 + erf(x / sqrt 2))
  kGeluTanh,         ///< x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
  kSilu,             ///< x sigmoid(x)
  kMish,             ///< x tanh(log(1 + exp(x)))
  kHardSwish,        ///< x min(1, max(0, x / 6 + 1 / 2))
};
LAYERWISE_ENUM_NAMES(ActivationType, "relu", "sigmoid", "tanh", "leaky_relu", "elu", "selu",
                     "softsign", "softplus", "clip", "hard_sigmoid", "scaled_tanh",
                     "thresholded_relu", "gelu_erf", "gelu_tanh", "silu", "mish", "hard_swish");

/// Input: x. Pointwise, in x's type and shape.
struct Activation {
  static constexpr std::string_view kKind = "activation";
  ActivationType type = ActivationType::kRelu;
  double alpha = 0;
  double beta = 0;
  template <class Self, class V>
  static void visit(Self& s, V&& v) {
    v("type", s.type), v("alpha", s.alpha), v("beta", s.beta);
  }
};

/// What convolutions of every kind are told: sizes, a number a spatial axis.
struct ConvolutionGeometry {
  std::int64_t outputs = 0;  ///< channels of the output
  Dims kernel;
  Dims stride;
  Dims prePadding;   ///< at the start of each axis
  Dims postPadding;  ///< at the end of each axis
  PaddingMode paddingMode = PaddingMode::kExplicitRoundDown;
  Dims dilation;
  std::int64_t groups = 1;  ///< divides the channels of the input and of the output
  void setPadding(const Dims& both) { prePadding = postPadding = both; }
  template <class Self, class V>
  static void visit(Self& s, V&& v) {
    v("outputs", s.outputs), v("kernel", s.kernel), v("stride", s.stride),
        v("pre_padding", s.prePadding);
    v("post_padding", s.postPadding), v("padding_mode", s.paddingMode), v("dilation", s.dilation);
    v("groups", s.groups);
  }
};

/// Cross-correlation (PyTorch's conv1d/2d/3d). Input: N x C x spatial (1 to 3 axes). Output: N x
/// outputs x spatial, sizes by `paddingMode`.
/// Weights: kernel [outputs x C/groups x kernel...], bias [outputs] or none.
struct Convolution : ConvolutionGeometry {
  static constexpr std::string_view kKind = "convolution";
};

/// Transposed convolution (PyTorch's conv_transpose): out = (in - 1) stride - pre - post + dilation
/// (kernel - 1) + 1 + outputPadding, which is below the stride or the dilation; with kSameUpper and
/// kSameLower, out = in stride. Input: N x C x spatial (1 to 3 axes). Weights: kernel [C x
/// outputs/groups x kernel...], bias [outputs] or none.
struct Deconvolution : ConvolutionGeometry {
  static constexpr std::string_view kKind = "deconvolution";
  Dims outputPadding;
  template <class Self, class V>
  static void visit(Self& s, V&& v) {
    ConvolutionGeometry::visit(s, v);
    v("output_padding", s.outputPadding);
  }
};

enum class PoolingType : std::int32_t { kMax, kAverage };
LAYERWISE_ENUM_NAMES(PoolingType, "max", "average");

/// Input: N x C x spatial (1 to 3 axes). Output: N x C x spatial, sizes by `paddingMode`. `global`
/// pools over all spatial axes to size 1 and ignores the window. The padding is smaller than the
/// window; a maximum does not see it; an average counts the given padding (and nothing beyond it,
/// where the size is rounded up) or leaves it out. A maximum takes int8 and uint8 too.
struct Pooling {
  static constexpr std::string_view kKind = "pooling";
  PoolingType type = PoolingType::kMax;
  Dims window;
  Dims stride;
  Dims prePadding;
  Dims postPadding;
  PaddingMode paddingMode = PaddingMode::kExplicitRoundDown;
  bool averageCountsPadding = false;
  bool global = false;
  void setPadding(const Dims& both) { prePadding = postPadding = both; }
  template <class Self, class V>
  static void visit(Self& s, V&& v) {
    v("type", s.type), v("window", s.window), v("stride", s.stride), v("pre_padding", s.prePadding);
    v("post_padding", s.postPadding), v("padding_mode", s.paddingMode);
    v("average_counts_padding", s.averageCountsPadding), v("global", s.global);
  }
};

enum class ScaleMode : std::int32_t {
  kUniform,      ///< one value for all
  kChannel,      ///< a value an entry of `channelAxis`
  kElementwise,  ///< a value an element of one sample (all axes but the first)
};
LAYERWISE_ENUM_NAMES(ScaleMode, "uniform", "channel", "elementwise");

/// (x scale + shift) ^ power. Weights: shift, scale, power, each optional (0, 1, 1).
struct Scale {
  static constexpr std::string_view kKind = "scale";
  ScaleMode mode = ScaleMode::kChannel;
  std::int64_t channelAxis = 1;
  template <class Self, class V>
  static void visit(Self& s, V&& v) {
    v("mode", s.mode), v("channel_axis", s.channelAxis);
  }
};

/// (x - mean) / sqrt(variance + epsilon) gamma + beta on axis 1. Weights: gamma, beta, mean,
/// variance [C]; gamma and beta optional.
struct BatchNorm {
  static constexpr std::string_view kKind = "batch_norm";
  double epsilon = 1e-5;
  template <class Self, class V>
  static void visit(Self& s, V&& v) {
    v("epsilon", s.epsilon);
  }
};

enum class ElementWiseOperation : std::int32_t {
  kSum,
  kProduct,
  kMax,
  kMin,
  kSubtract,
  kDivide,       ///< integers: rounded towards zero
  kPower,        ///< integers: a negative exponent gives 0, but for bases of 1 and -1
  kFloorDivide,  ///< the floor of the exact quotient
  kModulo,       ///< the sign of the divisor, as Python's %
  kEqual,        ///< this and the next ones: bool
  kGreater,
  kLess,
  kAnd,  ///< bool
  kOr,
  kXor,
};
LAYERWISE_ENUM_NAMES(ElementWiseOperation, "sum", "product", "max", "min", "subtract", "divide",
                     "power", "floor_divide", "modulo", "equal", "greater", "less", "and", "or",
                     "xor");

/// Inputs: a, b of one type; NumPy broadcasting (aligned at the last axis). Integers wrap around,
/// and a division by zero gives 0.
struct ElementWise {
  static constexpr std::string_view kKind = "elementwise";
  ElementWiseOperation operation = ElementWiseOperation::kSum;
  template <class Self, class V>
  static void visit(Self& s, V&& v) {
    v("operation", s.operation);
  }
};

enum class UnaryOperation : std::int32_t {
  kExp,
  kLog,
  kSqrt,
  kReciprocal,
  kAbs,
  kNegate,
  kSin,
  kCos,
  kTan,
  kAsin,
  kAcos,
  kAtan,
  kSinh,
  kCosh,
  kAsinh,
  kAcosh,
  kAtanh,
  kCeil,
  kFloor,
  kErf,
  kNot,  ///< bool
  kSign,
  kRound,  ///< half to even
  kIsInf,  ///< bool
  kIsNan,  ///< bool
};
LAYERWISE_ENUM_NAMES(UnaryOperation, "exp", "log", "sqrt", "reciprocal", "abs", "negate", "sin",
                     "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh",
                     "atanh", "ceil", "floor", "erf", "not", "sign", "round", "is_inf", "is_nan");

/// Input: x. Pointwise. Integers: kAbs, kNegate, kSign and the roundings; kNot takes bool; the
/// others take floating-point types.
struct Unary {
  static constexpr std::string_view kKind = "unary";
  UnaryOperation operation = UnaryOperation::kExp;
  template <class Self, class V>
  static void visit(Self& s, V&& v) {
    v("operation", s.operation);
  }
};

/// Inputs: one or more tensors that agree in all axes but `axis` (negative counts from the end).
struct Concatenation {
  static constexpr std::string_view kKind = "concatenation";
  std::int64_t axis = 1;
  template <class Self, class V>
  static void visit(Self& s, V&& v) {
    v("axis", s.axis);
  }
};

/// transpose(firstTranspose), reshape, transpose(secondTranspose), each optional (empty). In
/// `reshape`, 0 copies the dimension at that place (after the first transposition), -1 (once) takes
/// what remains. A second input, an int tensor that follows from shapes, replaces `reshape`.
struct Shuffle {
  static constexpr std::string_view kKind = "shuffle";
  Dims firstTranspose;
  bool hasReshape = false;  ///< lets a reshape to a scalar be told from none
  Dims reshape;
  Dims secondTranspose;
  void setReshape(const Dims& dims) { reshape = dims, hasReshape = true; }
  template <class Self, class V>
  static void visit(Self& s, V&& v) {
    v("first_transpose", s.firstTranspose), v("has_reshape", s.hasReshape), v("reshape", s.reshape);
    v("second_transpose", s.secondTranspose);
  }
};

/// out[i] = in[start + i step] for i < size, a number an axis; a negative start counts from the
/// end; steps may be negative; size -1 takes all that is left. Inputs 1 to 3, int tensors that
/// follow from shapes, replace start, size, step.
struct Slice {
  static constexpr std::string_view kKind = "slice";
  Dims start;
  Dims size;
  Dims step;  ///< empty: 1
  template <class Self, class V>
  static void visit(Self& s, V&& v) {
    v("start", s.start), v("size", s.size), v("step", s.step);
  }
};

enum class PaddingFill : std::int32_t { kConstant, kReflect, kEdge };
LAYERWISE_ENUM_NAMES(PaddingFill, "constant", "reflect", "edge");

/// Adds `pre` and `post` elements to each axis (negative with kConstant: crops). Fewer numbers than
/// axes stand for the last ones.
struct Padding {
  static constexpr std::string_view kKind = "padding";
  Dims pre;
  Dims post;
  PaddingFill fill = PaddingFill::kConstant;
  double value = 0;
  template <class Self, class V>
  static void visit(Self& s, V&& v) {
    v("pre", s.pre), v("post", s.post), v("fill", s.fill), v("value", s.value);
  }
};

enum class InterpolationMode : std::int32_t { kNearest, kLinear, kCubic };
LAYERWISE_ENUM_NAMES(InterpolationMode, "nearest", "linear", "cubic");

/// Where output x lies in the input (ONNX's names).
enum class ResizeCoordinates : std::int32_t {
  kAsymmetric,        ///< x in / out; PyTorch's nearest
  kHalfPixel,         ///< (x + 0.5) in / out - 0.5; PyTorch's align_corners = False
  kAlignCorners,      ///< x (in - 1) / (out - 1)
  kPytorchHalfPixel,  ///< half pixel, 0 where out is 1
};
LAYERWISE_ENUM_NAMES(ResizeCoordinates, "asymmetric", "half_pixel", "align_corners",
                     "pytorch_half_pixel");

enum class NearestRounding : std::int32_t { kFloor, kCeil, kHalfDown, kHalfUp };
LAYERWISE_ENUM_NAMES(NearestRounding, "floor", "ceil", "half_down", "half_up");

/// Either `size` (a number an axis of the output) or `scales` (a factor an axis; out = floor(in
/// scale), and the ratio used is the scale itself, as PyTorch does) is given, for all axes or for
/// the spatial ones alone; axes of N and C are not interpolated. Up to 3 spatial axes; kCubic: 2.
/// Positions beyond the input's edge take the edge. kNearest takes int8 and uint8 too.
struct Resize {
  static constexpr std::string_view kKind = "resize";
  Dims size;
  std::vector<double> scales;
  InterpolationMode mode = InterpolationMode::kNearest;
  ResizeCoordinates coordinates = ResizeCoordinates::kAsymmetric;
  NearestRounding rounding = NearestRounding::kFloor;
  double cubicCoefficient = -0.75;
  template <class Self, class V>
  static void visit(Self& s, V&& v) {
    v("size", s.size), v("scales", s.scales), v("mode", s.mode), v("coordinates", s.coordinates);
    v("rounding", s.rounding), v("cubic_coefficient", s.cubicCoefficient);
  }
};

/// No input. Weights: values. Output: `dims` of the weights' type.
struct Constant {
  static constexpr std::string_view kKind = "constant";
  Dims dims;
  template <class Self, class V>
  static void visit(Self& s, V&& v) {
    v("dims", s.dims);
  }
};

/// The input's shape as an int64 tensor [rank].
struct Shape {
  static constexpr std::string_view kKind = "shape";
  template <class Self, class V>
  static void visit(Self&, V&&) {}
};

/// What is done to a factor first: nothing, its last two axes exchanged, or its last axis taken as
/// a vector, which the product then lacks.
enum class MatrixOperation : std::int32_t { kNone, kTranspose, kVector };
LAYERWISE_ENUM_NAMES(MatrixOperation, "none", "transpose", "vector");

/// a b. Inputs: a [... M x K], b [... K x N] (one axis fewer with kVector); the leading axes
/// broadcast. Output: [... M x N].
struct MatrixMultiply {
  static constexpr std::string_view kKind = "matrix_multiply";
  MatrixOperation a = MatrixOperation::kNone;
  MatrixOperation b = MatrixOperation::kNone;
  template <class Self, class V>
  static void visit(Self& s, V&& v) {
    v("a", s.a), v("b", s.b);
  }
};

/// y = W x + b over all axes from `axis` on, flattened: N x K x ... -> N x outputs. Weights: kernel
/// [outputs x K], bias [outputs] or none.
struct FullyConnected {
  static constexpr std::string_view kKind = "fully_connected";
  std::int64_t outputs = 0;
  std::int64_t axis = 1;
  template <class Self, class V>
  static void visit(Self& s, V&& v) {
    v("outputs", s.outputs), v("axis", s.axis);
  }
};

/// exp(x) / sum of exp(x) along `axis` (negative counts from the end). Input: x, floating-point.
struct Softmax {
  static constexpr std::string_view kKind = "softmax";
  std::int64_t axis = 1;
  template <class Self, class V>
  static void visit(Self& s, V&& v) {
    v("axis", s.axis);
  }
};

enum class ReduceOperation : std::int32_t { kSum, kProduct, kMax, kMin, kAverage };
LAYERWISE_ENUM_NAMES(ReduceOperation, "sum", "product", "max", "min", "average");

/// Over `axes` (negative counts from the end; none: all). Integers wrap around, their average is
/// rounded towards zero.
struct Reduce {
  static constexpr std::string_view kKind = "reduce";
  ReduceOperation operation = ReduceOperation::kSum;
  std::vector<std::int64_t> axes;
  bool keepDimensions = false;
  template <class Self, class V>
  static void visit(Self& s, V&& v) {
    v("operation", s.operation), v("axes", s.axes), v("keep_dimensions", s.keepDimensions);
  }
};

/// Outputs: values (sorted), indices (int32). Ties: the lower index first. NaN ranks above all, as
/// in PyTorch.
struct TopK {
  static constexpr std::string_view kKind = "topk";
  std::int64_t k = 1;
  std::int64_t axis = -1;
  bool largest = true;
  template <class Self, class V>
  static void visit(Self& s, V&& v) {
    v("k", s.k), v("axis", s.axis), v("largest", s.largest);
  }
};

enum class GatherMode : std::int32_t {
  kDefault,   ///< NumPy's take: out = data[..., indices, ...]
  kElements,  ///< NumPy's take_along_axis
  kNd,        ///< ONNX GatherND with `batchAxes`
};
LAYERWISE_ENUM_NAMES(GatherMode, "default", "elements", "nd");

/// Inputs: data, indices (int32 or int64; negative counts from the end; out of range is an Error at
/// run time).
struct Gather {
  static constexpr std::string_view kKind = "gather";
  GatherMode mode = GatherMode::kDefault;
  std::int64_t axis = 0;
  std::int64_t batchAxes = 0;
  template <class Self, class V>
  static void visit(Self& s, V&& v) {
    v("mode", s.mode), v("axis", s.axis), v("batch_axes", s.batchAxes);
  }
};

/// To an integer: truncates towards zero and saturates, from wider integers too (NaN: 0). Anything
/// to bool: not equal 0.
struct Cast {
  static constexpr std::string_view kKind = "cast";
  DataType to = DataType::kFloat32;
  template <class Self, class V>
  static void visit(Self& s, V&& v) {
    v("to", s.to);
  }
};

/// q = clamp(rint(x (1 / scale)) + zeroPoint, low, high), in float32, ties to even; low and high
/// are -128 and 127 (kInt8) or 0 and 255 (kUInt8). What a NaN becomes is not defined. Weights:
/// scales, zero_points (whole numbers; none: 0), each one value or one an entry of `axis`.
/// PyTorch's quantize_per_tensor and quantize_per_channel.
struct Quantize {
  static constexpr std::string_view kKind = "quantize";
  DataType to = DataType::kUInt8;
  std::int64_t axis = 1;  ///< negative counts from the end
  template <class Self, class V>
  static void visit(Self& s, V&& v) {
    v("to", s.to), v("axis", s.axis);
  }
};

/// (q - zeroPoint) scale, as float32. Input: int8 or uint8. Weights: as Quantize's.
struct Dequantize {
  static constexpr std::string_view kKind = "dequantize";
  std::int64_t axis = 1;  ///< negative counts from the end
  template <class Self, class V>
  static void visit(Self& s, V&& v) {
    v("axis", s.axis);
  }
};

/// Input: x, of any type. Output: the same.
struct Identity {
  static constexpr std::string_view kKind = "identity";
  template <class Self, class V>
  static void visit(Self&, V&&) {}
};

/// x >= 0 ? x : slope x. Inputs: x, slope (broadcast to x).
struct ParametricRelu {
  static constexpr std::string_view kKind = "parametric_relu";
  template <class Self, class V>
  static void visit(Self&, V&&) {}
};

/// (x - mean) / sqrt(variance + epsilon) scale + bias, statistics over `axes` (layer norm: the last
/// ones; instance norm: the spatial ones); with groups > 1 the channels (axis 1) are split in
/// groups and the statistics run over a group's channels and all spatial axes (group norm), `axes`
/// being ignored. Inputs: x, and optionally scale and bias, which broadcast to x.
struct Normalization {
  static constexpr std::string_view kKind = "normalization";
  std::vector<std::int64_t> axes;
  double epsilon = 1e-5;
  std::int64_t groups = 1;
  template <class Self, class V>
  static void visit(Self& s, V&& v) {
    v("axes", s.axes), v("epsilon", s.epsilon), v("groups", s.groups);
  }
};

/// x / (k + alpha / window sum over `window` neighbouring channels of x^2) ^ beta (PyTorch's
/// LocalResponseNorm); channel c sees c - window / 2 to c + (window - 1) / 2.
struct Lrn {
  static constexpr std::string_view kKind = "lrn";
  std::int64_t window = 5;
  double alpha = 1e-4;
  double beta = 0.75;
  double k = 1;
  template <class Self, class V>
  static void visit(Self& s, V&& v) {
    v("window", s.window), v("alpha", s.alpha), v("beta", s.beta), v("k", s.k);
  }
};

/// Inputs: condition (bool), a, b; broadcast; condition ? a : b.
struct Select {
  static constexpr std::string_view kKind = "select";
  template <class Self, class V>
  static void visit(Self&, V&&) {}
};

/// N x C r^2 x H x W -> N x C x H r x W r (PyTorch's order); `inverse` goes the other way (pixel
/// unshuffle).
struct PixelShuffle {
  static constexpr std::string_view kKind = "pixel_shuffle";
  std::int64_t factor = 2;
  bool inverse = false;
  template <class Self, class V>
  static void visit(Self& s, V&& v) {
    v("factor", s.factor), v("inverse", s.inverse);
  }
};

/// PyTorch's nn.LSTM, batch first. Inputs: x [N x T x K], and optionally h0, c0 [layers x
/// directions, N, hidden]. Weights: per layer and direction weight_ih [4 hidden x K'], weight_hh [4
/// hidden x hidden], bias_ih, bias_hh [4 hidden], gates in the order i f g o, all concatenated in
/// that order into one blob "weights"; K' is K, then hidden x directions. Outputs: y [N x T x
/// hidden directions], h, c [layers directions x N x hidden].
struct Lstm {
  static constexpr std::string_view kKind = "lstm";
  std::int64_t hidden = 0;
  std::int64_t layers = 1;
  bool bidirectional = false;
  bool bias = true;
  template <class Self, class V>
  static void visit(Self& s, V&& v) {
    v("hidden", s.hidden), v("layers", s.layers), v("bidirectional", s.bidirectional),
        v("bias", s.bias);
  }
};

}  // namespace layerwise
