#pragma once

#include <cmath>
#include <limits>
#include <memory>

#include "layer_case.h"

/// The table of cases: what each layer is tried with.
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

// ---- pointwise ----

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

/// A shape that broadcasts with `dims`: some axes 1, leading ones missing.
inline CaseInput broadcastInput(Random& r, const Dims& dims) {
  auto missing = static_cast<int>(r.chance(0.6) ? 0 : r.pick(0, dims.rank()));
  Dims shape;
  for (int i = missing; i < dims.rank(); ++i) shape.append(r.chance(0.3) ? 1 : dims[i]);
  return {.dims = shape, .batched = missing == 0 && !shape.empty() && shape[0] == dims[0]};
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

// ---- windows ----

inline Dims perAxis(Random& r, int axes, std::int64_t low, std::int64_t high) {
  return r.chance(0.2) && low <= 1 && high >= 1 && low >= 0 ? Dims{} : r.dims(axes, low, high);
}

/// Input channels, outputs and groups: plain, grouped or depthwise.
struct Channels {
  std::int64_t in, out, groups;
  explicit Channels(Random& r) {
    groups = r.chance(0.5) ? 1 : r.pick(2, 5);
    in = groups * r.pick(1, groups == 1 ? 40 : 9);
    out = groups * r.pick(1, groups == 1 ? 40 : 9);
    if (r.chance(0.25)) in = out = groups = r.pick(2, 40);
  }
};

inline Convolution randomConvolution(Random& r, const Channels& channels, const Dims& dims) {
  int axes = dims.rank() - 2;
  for (;;) {
    Convolution a{.outputs = channels.out, .kernel = r.dims(axes, 1, axes == 1 ? 7 : 4)};
    if (r.chance(0.4)) a.kernel = Dims::filled(axes, r.chance(0.5) ? 1 : 3);
    a.stride = perAxis(r, axes, 1, 3);
    if (r.chance(0.3)) a.dilation = r.dims(axes, 1, 3);
    if (r.chance(0.7)) a.prePadding = r.dims(axes, 0, 2);
    if (r.chance(0.7)) a.postPadding = r.chance(0.7) ? a.prePadding : r.dims(axes, 0, 2);
    a.groups = channels.groups;
    if (r.chance(0.4)) a.paddingMode = static_cast<PaddingMode>(r.pick(0, 3));
    bool fits = true;
    for (int i = 0; i < axes; ++i) {
      std::int64_t dilation = a.dilation.empty() ? 1 : a.dilation[i];
      fits = fits && (a.kernel[i] - 1) * dilation + 1 <= dims[i + 2];
    }
    if (fits) return a;
  }
}

inline std::vector<std::vector<float>> convolutionWeights(Random& r, const Channels& channels,
                                                          const Dims& kernel) {
  return {r.floats(channels.in / channels.groups * channels.out * kernel.volume()),
          r.floats(r.chance(0.7) ? channels.out : 0)};
}

inline LayerCase convolutionCase(Random& r, int index) {
  Channels channels(r);
  Dims dims = imageDims(r, channels.in, index % 3 == 2 ? static_cast<int>(r.pick(1, 3)) : 2);
  Convolution a = randomConvolution(r, channels, dims);
  return {{{.dims = dims}}, defineOne(a, convolutionWeights(r, channels, a.kernel)), 1e-5};
}

inline LayerCase convolutionActivationCase(Random& r, int index) {
  Channels channels(r);
  Dims dims = imageDims(r, channels.in, 2);
  Convolution a = randomConvolution(r, channels, dims);
  auto convolution = defineOne(a, convolutionWeights(r, channels, a.kernel));
  Activation activation{nth<ActivationType>(index), r.real(0.1, 0.5), r.real(0.5, 2)};
  return {{{.dims = dims}},
          [=](Network& n, const std::vector<Tensor*>& in) {
            Tensor& y = *convolution(n, in)[0];
            return std::vector<Tensor*>{&n.add(activation, {&y}).output()};
          },
          1e-5};
}

inline LayerCase convolutionAddCase(Random& r, int index) {
  Channels channels(r);
  Dims dims = imageDims(r, channels.in, 2);
  Convolution a{.outputs = channels.out, .kernel = index % 2 ? Dims{3, 3} : Dims{1, 1}};
  a.setPadding(index % 2 ? Dims{1, 1} : Dims{0, 0});
  a.groups = channels.groups;
  auto convolution = defineOne(a, convolutionWeights(r, channels, a.kernel));
  Dims sum = dims;
  sum[1] = channels.out;
  bool activated = r.chance(0.7), first = r.chance(0.5);
  return {{{.dims = dims}, {.dims = sum}},
          [=](Network& n, const std::vector<Tensor*>& in) {
            Tensor& y = *convolution(n, {in[0]})[0];
            Tensor& s =
                n.addElementWise(first ? y : *in[1], first ? *in[1] : y, ElementWiseOperation::kSum)
                    .output();
            if (!activated) return std::vector<Tensor*>{&s};
            return std::vector<Tensor*>{&n.addActivation(s, ActivationType::kRelu).output()};
          },
          1e-5};
}

inline LayerCase deconvolutionCase(Random& r, int) {
  Channels channels(r);
  auto axes = static_cast<int>(r.chance(0.6) ? 2 : r.pick(1, 3));
  Dims dims = imageDims(r, channels.in, axes);
  Deconvolution a{.outputs = channels.out, .kernel = r.dims(axes, 1, 4)};
  a.stride = r.dims(axes, 1, 3);
  if (r.chance(0.3)) a.dilation = r.dims(axes, 1, 2);
  if (r.chance(0.5)) a.prePadding = a.postPadding = r.dims(axes, 0, 1);
  if (r.chance(0.3)) a.outputPadding = Dims::filled(axes, 0);
  for (int i = 0; i < a.outputPadding.rank(); ++i) a.outputPadding[i] = r.pick(0, a.stride[i] - 1);
  if (r.chance(0.2)) a.paddingMode = static_cast<PaddingMode>(r.pick(2, 3));
  a.groups = channels.groups;
  return {{{.dims = dims}}, defineOne(a, convolutionWeights(r, channels, a.kernel)), 1e-5};
}

inline LayerCase poolingCase(Random& r, int index) {
  Dims dims = imageDims(r, r.pick(1, 70), static_cast<int>(r.chance(0.6) ? 2 : r.pick(1, 3)));
  int axes = dims.rank() - 2;
  Pooling a{.type = nth<PoolingType>(index), .window = r.dims(axes, 1, 3)};
  a.stride = perAxis(r, axes, 1, 3);
  if (r.chance(0.5)) a.prePadding = Dims::filled(axes, 0), a.postPadding = a.prePadding;
  for (int i = 0; i < a.prePadding.rank(); ++i) {
    a.prePadding[i] = r.pick(0, a.window[i] - 1);
    a.postPadding[i] = r.pick(0, a.window[i] - 1);
  }
  if (r.chance(0.5)) a.paddingMode = static_cast<PaddingMode>(r.pick(0, 3));
  a.averageCountsPadding = r.chance(0.5);
  a.global = r.chance(0.2);
  return {{{.dims = dims}}, defineOne(a), 2e-6};
}

inline LayerCase resizeCase(Random& r, int index) {
  Resize a{.mode = nth<InterpolationMode>(index)};
  auto axes = static_cast<int>(r.pick(1, a.mode == InterpolationMode::kCubic ? 2 : 3));
  Dims dims = imageDims(r, r.pick(1, 70), axes);
  a.coordinates = static_cast<ResizeCoordinates>(r.pick(0, 3));
  a.rounding = static_cast<NearestRounding>(r.pick(0, 3));
  bool all = r.chance(0.5);
  if (r.chance(0.5)) {
    if (all) a.size = {dims[0], dims[1]};
    for (int i = 0; i < axes; ++i) a.size.append(r.pick(1, axes == 3 ? 9 : 20));
    if (all) return {{{.dims = dims}}, defineOne(a), 1e-5, false};
  } else {
    if (all) a.scales = {1, 1};
    for (int i = 0; i < axes; ++i) a.scales.push_back(r.chance(0.5) ? 2 : r.real(0.4, 2.5));
  }
  return {{{.dims = dims}}, defineOne(a), 1e-5};
}

inline LayerCase lrnCase(Random& r, int) {
  Dims dims = r.chance(0.9) ? imageDims(r) : Dims{kBatch, 9};
  return {{{.dims = dims}},
          defineOne(Lrn{r.pick(1, 7), r.real(1e-4, 0.5), r.real(0.5, 1), r.real(0.5, 2)}),
          5e-6};
}

// ---- copies ----

inline DataType anyType(Random& r) {
  constexpr DataType kTypes[] = {DataType::kFloat32, DataType::kFloat32, DataType::kInt32,
                                 DataType::kInt64, DataType::kUInt8};
  return kTypes[r.pick(0, 4)];
}

inline LayerCase concatenationCase(Random& r, int) {
  Dims dims = r.chance(0.7) ? imageDims(r) : anyDims(r);
  int axis = static_cast<int>(dims.rank() == 1 ? 0 : r.pick(1, dims.rank() - 1));
  LayerCase made;
  DataType type = anyType(r);
  for (std::int64_t i = r.pick(1, 4); i > 0; --i) {
    dims[axis] = r.pick(r.chance(0.1) ? 0 : 1, 20);
    made.inputs.push_back({.dims = dims, .type = type, .low = 0, .high = 100});
  }
  made.batched = axis != 0;
  made.define = defineOne(Concatenation{r.chance(0.3) ? axis - dims.rank() : axis});
  return made;
}

inline LayerCase sliceCase(Random& r, int) {
  Dims dims = r.chance(0.7) ? imageDims(r) : anyDims(r);
  Slice a{{0}, {-1}, {1}};
  for (int i = 1; i < dims.rank(); ++i) {
    std::int64_t step = r.chance(0.6) ? 1 : r.pick(-3, 2);
    if (step == 0) step = -1;
    std::int64_t start = r.pick(0, dims[i] - 1);
    std::int64_t left = step > 0 ? (dims[i] - start + step - 1) / step : start / -step + 1;
    a.start.append(r.chance(0.2) ? start - dims[i] : start);
    a.size.append(r.chance(0.3) ? -1 : r.pick(0, left));
    a.step.append(step);
  }
  bool asTensors = r.chance(0.2);
  auto list = [](const Dims& d) { return std::vector<std::int64_t>(d.begin(), d.end()); };
  LayerCase made{{{.dims = dims, .type = anyType(r), .low = 0, .high = 100}}, {}};
  made.define = [=](Network& n, const std::vector<Tensor*>& in) {
    std::vector<Tensor*> inputs = in;
    for (const Dims& d : {a.start, a.size, a.step})
      if (asTensors) inputs.push_back(&n.addConstant({d.rank()}, n.keep(list(d))).output());
    return std::vector<Tensor*>{&n.add(asTensors ? Slice{} : a, inputs).output()};
  };
  return made;
}

inline LayerCase paddingCase(Random& r, int index) {
  Padding a{.fill = nth<PaddingFill>(index), .value = static_cast<double>(r.pick(0, 5))};
  Dims dims = r.chance(0.7) ? imageDims(r) : anyDims(r);
  auto axes = static_cast<int>(r.pick(0, dims.rank() - 1));
  for (int i = 0; i < axes; ++i) {
    std::int64_t size = dims[dims.rank() - axes + i];
    auto amount = [&] {
      if (a.fill == PaddingFill::kReflect) return r.pick(0, std::min<std::int64_t>(3, size - 1));
      return a.fill == PaddingFill::kConstant && r.chance(0.2) ? -r.pick(0, size / 2)
                                                               : r.pick(0, 3);
    };
    a.pre.append(amount());
    a.post.append(amount());
  }
  return {{{.dims = dims, .type = anyType(r), .low = 0, .high = 100}}, defineOne(a)};
}

inline Dims permutation(Random& r, int rank) {
  Dims order;
  for (int i = 0; i < rank; ++i) order.append(i);
  for (int i = rank - 1; i > 0; --i) std::swap(order[i], order[static_cast<int>(r.pick(0, i))]);
  return order;
}

/// Another shape of the same volume: factors are moved between neighbouring axes.
inline Dims sameVolume(Random& r, Dims dims) {
  for (int i = 0; i + 1 < dims.rank(); ++i)
    for (std::int64_t factor : {2, 3, 5})
      if (r.chance(0.5) && dims[i] % factor == 0) dims[i] /= factor, dims[i + 1] *= factor;
  if (r.chance(0.4)) dims.append(1);
  if (r.chance(0.4) && dims.rank() > 1) {
    Dims merged{dims[0] * dims[1]};
    for (int i = 2; i < dims.rank(); ++i) merged.append(dims[i]);
    dims = merged;
  }
  return dims;
}

inline LayerCase shuffleCase(Random& r, int) {
  Dims dims = anyDims(r), middle = dims;
  Shuffle a;
  if (r.chance(0.5)) {
    a.firstTranspose = permutation(r, dims.rank());
    for (int i = 0; i < dims.rank(); ++i) middle[i] = dims[static_cast<int>(a.firstTranspose[i])];
  }
  bool asTensor = false;
  if (r.chance(0.7)) {
    middle = sameVolume(r, middle);
    a.setReshape(middle);
    if (middle.volume() > 0 && r.chance(0.3)) a.reshape[middle.rank() - 1] = -1;
    asTensor = r.chance(0.2);
  }
  if (r.chance(0.5)) a.secondTranspose = permutation(r, middle.rank());
  LayerCase made{{{.dims = dims, .type = anyType(r), .low = 0, .high = 100}}, {}};
  made.batched = false;
  made.define = [=](Network& n, const std::vector<Tensor*>& in) {
    std::vector<Tensor*> inputs = in;
    Shuffle shuffle = a;
    if (asTensor) {
      std::vector<std::int64_t> list(a.reshape.begin(), a.reshape.end());
      inputs.push_back(&n.addConstant({a.reshape.rank()}, n.keep(list)).output());
      shuffle.hasReshape = false;
      shuffle.reshape = {};
    }
    return std::vector<Tensor*>{&n.add(shuffle, inputs).output()};
  };
  return made;
}

inline LayerCase identityCase(Random& r, int) {
  return {{{.dims = r.chance(0.6) ? imageDims(r) : anyDims(r),
            .type = anyType(r),
            .low = 0,
            .high = 100}},
          defineOne(Identity{})};
}

inline LayerCase pixelShuffleCase(Random& r, int index) {
  std::int64_t f = r.pick(1, 4), c = r.pick(1, 5), h = r.pick(1, 6), w = r.pick(1, 6);
  PixelShuffle a{f, index % 2 == 1};
  Dims dims = a.inverse ? Dims{kBatch, c, h * f, w * f} : Dims{kBatch, c * f * f, h, w};
  return {{{.dims = dims, .type = anyType(r), .low = 0, .high = 100}}, defineOne(a)};
}

inline LayerCase constantCase(Random& r, int) {
  Dims dims = anyDims(r);
  bool integers = r.chance(0.3);
  std::vector<float> floats = r.floats(dims.volume());
  std::vector<std::int64_t> numbers;
  for (float value : floats) numbers.push_back(static_cast<std::int64_t>(value * 100));
  LayerCase made;
  made.batched = false;
  made.define = [=](Network& n, const std::vector<Tensor*>&) {
    return std::vector<Tensor*>{
        &n.addConstant(dims, integers ? n.keep(numbers) : n.keep(floats)).output()};
  };
  return made;
}

inline LayerCase shapeCase(Random& r, int) {
  LayerCase made{{{.dims = anyDims(r)}}, defineOne(Shape{})};
  made.batched = false;
  return made;
}

inline LayerCase gatherCase(Random& r, int index) {
  Gather a{nth<GatherMode>(index)};
  Dims data = anyDims(r), indices;
  std::int64_t bound = 1;
  if (a.mode == GatherMode::kNd) {
    a.batchAxes = r.pick(0, data.rank() - 1);
    for (int i = 0; i < a.batchAxes; ++i) indices.append(data[i]);
    indices.append(r.pick(1, 5));
    std::int64_t depth = r.pick(1, data.rank() - a.batchAxes);
    indices.append(depth);
    bound = data[static_cast<int>(a.batchAxes)];
    for (auto i = static_cast<int>(a.batchAxes); i < a.batchAxes + depth; ++i)
      bound = std::min(bound, data[i]);
  } else {
    auto axis = static_cast<int>(r.pick(0, data.rank() - 1));
    a.axis = r.chance(0.3) ? axis - data.rank() : axis;
    bound = data[axis];
    indices = a.mode == GatherMode::kElements ? data : r.dims(static_cast<int>(r.pick(0, 3)), 1, 4);
    if (a.mode == GatherMode::kElements) indices[axis] = r.pick(1, 9);
  }
  CaseInput where{.dims = indices, .type = r.chance(0.5) ? DataType::kInt32 : DataType::kInt64};
  for (std::int64_t i = 0; i < indices.volume(); ++i)
    where.values.push_back(static_cast<double>(r.pick(-bound, bound - 1)));
  LayerCase made{{{.dims = data, .type = anyType(r), .low = 0, .high = 100}, where}, defineOne(a)};
  made.batched = false;
  return made;
}

// ---- sums ----

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

// ---- plugins ----

/// Sums each row of its input along the last axis; one task an image.
class RowSums final : public Plugin {
 public:
  explicit RowSums(TensorFormat format) : format_(format) {}
  std::string_view type() const override { return "test_row_sums"; }
  std::vector<TensorInfo> outputs(std::span<const TensorInfo> inputs) const override {
    Dims dims = inputs[0].dims;
    dims[dims.rank() - 1] = 1;
    return {{inputs[0].type, dims}};
  }
  TensorFormat inputFormat(int) const override { return format_; }
  std::int64_t tasks(std::span<const TensorInfo> inputs) const override {
    return inputs[0].dims[0];
  }
  std::size_t scratchBytes(std::span<const TensorInfo>) const override { return sizeof(float); }
  void run(std::int64_t task, std::span<const TensorView> in, std::span<const TensorView> out,
           std::span<std::byte> scratch) const override {
    auto* sum = reinterpret_cast<float*>(scratch.data());
    const Dims& dims = in[0].dims;
    std::int64_t rows = out[0].dims.volume() / dims[0];
    for (std::int64_t row = 0; row < rows; ++row) {
      std::int64_t offset = task * in[0].strides[0], rest = row;
      for (int axis = dims.rank() - 2; axis > 0; rest /= dims[axis--])
        offset += rest % dims[axis] * in[0].strides[axis];
      *sum = 0;
      for (std::int64_t i = 0; i < dims[dims.rank() - 1]; ++i)
        *sum += in[0].as<float>()[offset + i * in[0].strides[dims.rank() - 1]];
      out[0].as<float>()[task * rows + row] = *sum;
    }
  }

 private:
  TensorFormat format_;
};

inline LayerCase pluginCase(Random& r, int index) {
  Dims dims = imageDims(r);
  auto format = index % 2 ? TensorFormat::kStrided : TensorFormat::kLinear;
  LayerCase made{{{.dims = dims}}, {}, 1e-6};
  made.define = [=](Network& n, const std::vector<Tensor*>& in) {
    return std::vector<Tensor*>{&n.addPlugin(in, std::make_shared<RowSums>(format)).output()};
  };
  return made;
}

inline const std::vector<LayerFamily>& layerFamilies() {
  static const std::vector<LayerFamily> families = {
      {"activation", activationCase, 51},
      {"batch_norm", batchNormCase},
      {"cast", castCase, 48},
      {"concatenation", concatenationCase, 40},
      {"constant", constantCase},
      {"convolution", convolutionCase, 60},
      {"convolution_activation", convolutionActivationCase, 51},
      {"convolution_add", convolutionAddCase, 40},
      {"deconvolution", deconvolutionCase, 40},
      {"elementwise", elementwiseCase, 90},
      {"fully_connected", fullyConnectedCase},
      {"gather", gatherCase, 45},
      {"identity", identityCase},
      {"lrn", lrnCase},
      {"lstm", lstmCase},
      {"matrix_multiply", matrixMultiplyCase, 40},
      {"normalization", normalizationCase, 40},
      {"padding", paddingCase, 45},
      {"parametric_relu", parametricReluCase},
      {"pixel_shuffle", pixelShuffleCase},
      {"plugin", pluginCase},
      {"pooling", poolingCase, 60},
      {"reduce", reduceCase, 50},
      {"resize", resizeCase, 60},
      {"scale", scaleCase, 36},
      {"select", selectCase},
      {"shape", shapeCase},
      {"shuffle", shuffleCase, 60},
      {"slice", sliceCase, 60},
      {"softmax", softmaxCase},
      {"topk", topKCase, 40},
      {"unary", unaryCase, 75},
  };
  return families;
}

}  // namespace layerwise::test
