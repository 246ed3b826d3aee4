#pragma once

#include "tests/layer_cases/parts.h"

/// Cases of layers that look at a window of their input.
namespace layerwise::test {

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
    Convolution a{{.outputs = channels.out, .kernel = r.dims(axes, 1, axes == 1 ? 7 : 4)}};
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

/// A network's first convolution: few channels, stride 2, a window that reaches over every border.
inline LayerCase stemCase(Random& r) {
  Channels channels(r);
  channels.in = r.pick(1, 4), channels.groups = 1;
  Dims dims = imageDims(r, channels.in, 2);
  for (int axis : {2, 3}) dims[axis] += 7;
  const std::int64_t size = r.pick(2, 7);
  Convolution a{{.outputs = channels.out, .kernel = {size, size}, .stride = {2, 2}}};
  a.setPadding({size / 2, size / 2});
  return {{{.dims = dims}}, defineOne(a, convolutionWeights(r, channels, a.kernel)), 1e-5};
}

inline LayerCase convolutionCase(Random& r, int index) {
  if (index % 8 == 7) return stemCase(r);
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

/// An inverted residual without its end, behind a layer: a 1x1 convolution and a depthwise one,
/// clipped both, with more between them than a share of a second-level cache.
inline LayerCase expandedCase(Random& r, int index) {
  const std::int64_t inputs = r.pick(1, 24), between = r.pick(40, 100), width = r.pick(20, 130);
  const Dims dims{r.pick(1, 2), inputs, 310'000 / (between * width) + r.pick(1, 5), width};
  Convolution expand{{.outputs = between, .kernel = {1, 1}}};
  const std::int64_t size = index % 4 == 3 ? 5 : 3;
  Convolution depthwise{{.outputs = between, .kernel = {size, size}}};
  depthwise.groups = between;
  depthwise.stride = {r.pick(1, 3), r.pick(1, 2)};
  depthwise.setPadding({r.pick(0, 2), r.pick(0, 2)});
  auto first = defineOne(expand, {r.floats(between * inputs), r.floats(between)});
  auto second = defineOne(depthwise, {r.floats(between * size * size),
                                      index % 2 ? r.floats(between) : std::vector<float>()});
  const Activation clip{ActivationType::kClip, 0, r.real(0.5, 4)};
  return {{{.dims = dims}},
          [=](Network& n, const std::vector<Tensor*>& in) {
            Tensor& x = n.add(clip, {in[0]}).output();
            Tensor& y = n.add(clip, {first(n, {&x})[0]}).output();
            return std::vector<Tensor*>{&n.add(clip, {second(n, {&y})[0]}).output()};
          },
          1e-5};
}

inline LayerCase convolutionAddCase(Random& r, int index) {
  Channels channels(r);
  Dims dims = imageDims(r, channels.in, 2);
  Convolution a{{.outputs = channels.out, .kernel = index % 2 ? Dims{3, 3} : Dims{1, 1}}};
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

/// The padding behind with which a convolution of stride 2 gives at least half the size.
inline Dims halvingPadding(const Convolution& a, const Dims& dims) {
  Dims padding;
  for (int i = 0; i < 2; ++i)
    padding.append(std::max<std::int64_t>(0, a.kernel[i] - 2 - a.prePadding[i]) + dims[i + 2] % 2);
  return padding;
}

/// A network's first convolution: few channels, stride 2, an output of half the size.
inline LayerCase pictureCase(Random& r, int index) {
  Channels channels(r);
  channels.in = r.pick(1, 4), channels.groups = 1;
  Dims dims{kBatch, channels.in, r.pick(4, 40), r.pick(4, 40)};
  Convolution a{{.outputs = channels.out, .kernel = r.dims(2, 2, 7), .stride = {2, 2}}};
  a.prePadding = {r.pick(0, a.kernel[0] - 1), r.pick(0, a.kernel[1] - 1)};
  a.postPadding = halvingPadding(a, dims);
  auto convolution = defineOne(a, convolutionWeights(r, channels, a.kernel));
  return {{{.dims = dims}},
          [=](Network& n, const std::vector<Tensor*>& in) {
            Tensor* y = convolution(n, in)[0];
            if (index % 2) y = &n.addActivation(*y, ActivationType::kSilu).output();
            return std::vector<Tensor*>{y};
          },
          1e-5};
}

/// The same, with an activation or none and the maximum over windows behind it.
inline LayerCase pooledPictureCase(Random& r, int index) {
  const std::int64_t channels = r.pick(1, 4), outputs = r.pick(1, 70);
  Dims dims{kBatch, channels, r.pick(11, 40), r.pick(11, 80)};  // a window of 7 pixels and of 3
  Convolution a{{.outputs = outputs, .kernel = r.dims(2, 2, 7), .stride = {2, 2}}};
  a.prePadding = {r.pick(0, a.kernel[0] - 1), r.pick(0, a.kernel[1] - 1)};
  a.postPadding = r.dims(2, 0, 2);
  if (index % 2) a.postPadding = halvingPadding(a, dims);
  Pooling pooling{.window = r.dims(2, 2, 3), .stride = {2, 2}};
  if (index % 3 == 0) pooling.window = {3, 3};
  pooling.prePadding = r.dims(2, 0, 1), pooling.postPadding = r.dims(2, 0, 1);
  if (r.chance(0.5)) pooling.paddingMode = PaddingMode::kExplicitRoundUp;
  auto convolution = defineOne(
      a, {r.floats(channels * outputs * a.kernel.volume()), r.floats(r.chance(0.7) ? outputs : 0)});
  const ActivationType activation = r.chance(0.5) ? ActivationType::kRelu : ActivationType::kSilu;
  return {{{.dims = dims}},
          [=](Network& n, const std::vector<Tensor*>& in) {
            Tensor* y = convolution(n, in)[0];
            if (index % 4) y = &n.addActivation(*y, activation).output();
            return std::vector<Tensor*>{&n.add(pooling, {y}).output()};
          },
          1e-5};
}

/// What Winograd's algorithm is for: 3x3, stride 1, one group, with an activation and a residual.
inline LayerCase winogradCase(Random& r, int index) {
  Channels channels(r);
  channels.in = r.pick(1, 70), channels.out = r.pick(1, 70), channels.groups = 1;
  Dims dims = imageDims(r, channels.in, 2);
  Convolution a{{.outputs = channels.out, .kernel = {3, 3}}};
  a.prePadding = r.dims(2, 0, 2), a.postPadding = r.dims(2, 0, 2);
  auto convolution = defineOne(a, convolutionWeights(r, channels, a.kernel));
  Dims sum{dims[0], channels.out, dims[2] + a.prePadding[0] + a.postPadding[0] - 2,
           dims[3] + a.prePadding[1] + a.postPadding[1] - 2};
  const bool activatedFirst = index % 3 == 0;
  return {{{.dims = dims}, {.dims = sum}},
          [=](Network& n, const std::vector<Tensor*>& in) {
            Tensor* y = convolution(n, {in[0]})[0];
            if (activatedFirst) y = &n.addActivation(*y, ActivationType::kSilu).output();
            y = &n.addElementWise(*y, *in[1], ElementWiseOperation::kSum).output();
            if (!activatedFirst) y = &n.addActivation(*y, ActivationType::kRelu).output();
            return std::vector<Tensor*>{y};
          },
          1e-5};
}

inline LayerCase deconvolutionCase(Random& r, int) {
  Channels channels(r);
  auto axes = static_cast<int>(r.chance(0.6) ? 2 : r.pick(1, 3));
  Dims dims = imageDims(r, channels.in, axes);
  Deconvolution a{{.outputs = channels.out, .kernel = r.dims(axes, 1, 4)}};
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
  CaseInput in{.dims = dims};
  if (a.type == PoolingType::kMax && r.chance(0.4)) in = eightBitInput(r, dims);
  return {{in}, defineOne(a), 2e-6};
}

inline LayerCase resizeCase(Random& r, int index) {
  Resize a{.mode = nth<InterpolationMode>(index)};
  auto axes = static_cast<int>(r.pick(1, a.mode == InterpolationMode::kCubic ? 2 : 3));
  Dims dims = imageDims(r, r.pick(1, 70), axes);
  CaseInput in{.dims = dims};
  if (a.mode == InterpolationMode::kNearest && r.chance(0.4)) in = eightBitInput(r, dims);
  a.coordinates = static_cast<ResizeCoordinates>(r.pick(0, 3));
  a.rounding = static_cast<NearestRounding>(r.pick(0, 3));
  bool all = r.chance(0.5);
  if (a.mode == InterpolationMode::kNearest && r.chance(0.3)) {
    // Each pixel a whole number of times: what detection networks do.
    a.coordinates = ResizeCoordinates::kAsymmetric;
    a.rounding = NearestRounding::kFloor;
    a.scales = {1, 1};
    for (int i = 0; i < axes; ++i) a.scales.push_back(static_cast<double>(r.pick(1, 3)));
    return {{in}, defineOne(a), 1e-5};
  }
  if (r.chance(0.5)) {
    if (all) a.size = {dims[0], dims[1]};
    for (int i = 0; i < axes; ++i) a.size.append(r.pick(1, axes == 3 ? 9 : 20));
    if (all) return {{in}, defineOne(a), 1e-5, false};
  } else {
    if (all) a.scales = {1, 1};
    for (int i = 0; i < axes; ++i) a.scales.push_back(r.chance(0.5) ? 2 : r.real(0.4, 2.5));
  }
  return {{in}, defineOne(a), 1e-5};
}

inline LayerCase lrnCase(Random& r, int) {
  Dims dims = r.chance(0.9) ? imageDims(r) : Dims{kBatch, 9};
  return {{{.dims = dims}},
          defineOne(Lrn{r.pick(1, 7), r.real(1e-4, 0.5), r.real(0.5, 1), r.real(0.5, 2)}),
          5e-6};
}

}  // namespace layerwise::test
