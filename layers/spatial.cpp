#include "layers/spatial.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "layerwise/error.h"

namespace layerwise {
namespace {

constexpr std::int64_t kMaxWindow = 1 << 20;

Dims orDefault(const Dims& given, int axes, std::int64_t value, const char* attribute,
               std::int64_t low) {
  if (given.empty()) return Dims::filled(axes, value);
  if (given.rank() != axes)
    throw Error(ErrorCode::kInvalidShape, fmt::format("{} {} has {} numbers, {} needed", attribute,
                                                      toString(given), given.rank(), axes));
  for (std::int64_t number : given)
    if (number < low || number > kMaxWindow)
      throw Error(ErrorCode::kInvalidShape, fmt::format("{} {} is outside {}...{}", attribute,
                                                        toString(given), low, kMaxWindow));
  return given;
}

void expectSpatial(const Dims& input) {
  if (input.rank() < 3 || input.rank() > 5)
    throw Error(ErrorCode::kInvalidShape,
                fmt::format("input is {}: 3 to 5 axes needed", toString(input)));
}

/// The attributes with the defaults filled in; no output yet.
SpatialWindow withDefaults(const Dims& input, const Dims& kernel, const Dims& stride,
                           const Dims& pre, const Dims& post, const Dims& dilation) {
  expectSpatial(input);
  SpatialWindow w;
  w.axes = input.rank() - 2;
  if (kernel.empty()) throw Error(ErrorCode::kInvalidShape, "the kernel's size is not set");
  w.kernel = orDefault(kernel, w.axes, 1, "kernel", 1);
  w.stride = orDefault(stride, w.axes, 1, "stride", 1);
  w.prePadding = orDefault(pre, w.axes, 0, "pre_padding", 0);
  w.postPadding = orDefault(post, w.axes, 0, "post_padding", 0);
  w.dilation = orDefault(dilation, w.axes, 1, "dilation", 1);
  return w;
}

/// Resolves the padding mode and the output's sizes.
SpatialWindow resolve(const Dims& input, SpatialWindow w, PaddingMode mode,
                      bool dropLastInPadding) {
  for (int i = 0; i < w.axes; ++i) {
    std::int64_t size = input[i + 2];
    std::int64_t span = (w.kernel[i] - 1) * w.dilation[i] + 1;
    std::int64_t out = 0;
    if (mode == PaddingMode::kSameUpper || mode == PaddingMode::kSameLower) {
      out = (size + w.stride[i] - 1) / w.stride[i];
      std::int64_t total = std::max<std::int64_t>(0, (out - 1) * w.stride[i] + span - size);
      w.prePadding[i] = mode == PaddingMode::kSameUpper ? total / 2 : total - total / 2;
      w.postPadding[i] = total - w.prePadding[i];
    } else {
      std::int64_t room = size + w.prePadding[i] + w.postPadding[i] - span;
      if (room < 0)
        throw Error(
            ErrorCode::kInvalidShape,
            fmt::format("a window of {} does not fit the padded input of {} (input {}, axis {})",
                        span, size + w.prePadding[i] + w.postPadding[i], toString(input), i + 2));
      bool up = mode == PaddingMode::kExplicitRoundUp;
      out = (room + (up ? w.stride[i] - 1 : 0)) / w.stride[i] + 1;
      if (up && dropLastInPadding && (out - 1) * w.stride[i] >= size + w.prePadding[i]) --out;
      // What the last window reads beyond the given padding is padding too. An average counts the
      // given one alone.
      if (up && !dropLastInPadding)
        w.postPadding[i] =
            std::max(w.postPadding[i], (out - 1) * w.stride[i] + span - size - w.prePadding[i]);
    }
    w.output.append(out);
  }
  return w;
}

}  // namespace

SpatialWindow resolveWindow(const Convolution& a, const Dims& input) {
  return resolve(input,
                 withDefaults(input, a.kernel, a.stride, a.prePadding, a.postPadding, a.dilation),
                 a.paddingMode, false);
}

SpatialWindow resolveWindow(const Pooling& a, const Dims& input) {
  SpatialWindow w;
  if (a.global) {
    expectSpatial(input);
    w.axes = input.rank() - 2;
    w.stride = w.dilation = w.output = Dims::filled(w.axes, 1);
    w.prePadding = w.postPadding = Dims::filled(w.axes, 0);
    for (int i = 0; i < w.axes; ++i) w.kernel.append(input[i + 2]);
  } else {
    w = resolve(input, withDefaults(input, a.window, a.stride, a.prePadding, a.postPadding, {}),
                a.paddingMode, true);
  }
  for (int i = 0; i < w.axes; ++i) {
    if (w.prePadding[i] >= std::max<std::int64_t>(1, w.kernel[i]) ||
        w.postPadding[i] >= std::max<std::int64_t>(1, w.kernel[i]))
      throw Error(ErrorCode::kInvalidShape,
                  fmt::format("padding {} and {} must be smaller than the window {}",
                              toString(w.prePadding), toString(w.postPadding), toString(w.kernel)));
    if (input[i + 2] == 0 && w.output[i] != 0)
      throw Error(ErrorCode::kInvalidShape,
                  fmt::format("input {} has nothing to pool on axis {}", toString(input), i + 2));
  }
  return w;
}

SpatialWindow resolveWindow(const Deconvolution& a, const Dims& input) {
  SpatialWindow w =
      withDefaults(input, a.kernel, a.stride, a.prePadding, a.postPadding, a.dilation);
  Dims extra = orDefault(a.outputPadding, w.axes, 0, "output_padding", 0);
  bool same = a.paddingMode == PaddingMode::kSameUpper || a.paddingMode == PaddingMode::kSameLower;
  for (int i = 0; i < w.axes; ++i) {
    if (extra[i] > 0 && extra[i] >= std::max(w.stride[i], w.dilation[i]))
      throw Error(ErrorCode::kInvalidShape,
                  fmt::format("output_padding {} must be smaller than stride {} or dilation {}",
                              toString(extra), toString(w.stride), toString(w.dilation)));
    std::int64_t span = (w.kernel[i] - 1) * w.dilation[i] + 1;
    std::int64_t size = input[i + 2];
    std::int64_t out = 0;
    if (same) {
      out = size * w.stride[i];
      std::int64_t cut = std::max<std::int64_t>(0, span - w.stride[i]);
      bool upper = a.paddingMode == PaddingMode::kSameUpper;
      w.prePadding[i] = upper ? cut / 2 : cut - cut / 2;
      w.postPadding[i] = cut - w.prePadding[i];
    } else {
      out = (size - 1) * w.stride[i] - w.prePadding[i] - w.postPadding[i] + span + extra[i];
      if (size == 0) out = 0;
      if (out < 0 || (out == 0 && size > 0))
        throw Error(ErrorCode::kInvalidShape,
                    fmt::format("padding {} and {} leave nothing of axis {} (input {}, kernel {})",
                                toString(w.prePadding), toString(w.postPadding), i + 2,
                                toString(input), toString(w.kernel)));
    }
    w.output.append(out);
  }
  return w;
}

namespace {

/// Whether `given` numbers stand for all axes or for the spatial ones; throws for anything else.
bool coversAllAxes(std::size_t given, const Dims& input, const char* attribute) {
  auto rank = static_cast<std::size_t>(input.rank());
  if (given != rank && given + 2 != rank)
    throw Error(ErrorCode::kInvalidShape,
                fmt::format("{} has {} numbers, input {} needs {} (all axes) or {} (spatial axes)",
                            attribute, given, toString(input), rank, rank - 2));
  return given == rank;
}

double resizeScale(const Resize& a, const Dims& input, int axis) {
  bool all = a.scales.size() == static_cast<std::size_t>(input.rank());
  return a.scales[static_cast<std::size_t>(all ? axis : axis - 2)];
}

}  // namespace

Dims resizedDims(const Resize& a, const Dims& input) {
  if (input.rank() < 3)
    throw Error(ErrorCode::kInvalidShape,
                fmt::format("input is {}: 3 or more axes needed", toString(input)));
  int axes = input.rank() - 2;
  int limit = a.mode == InterpolationMode::kCubic ? 2 : 3;
  if (axes > limit)
    throw Error(ErrorCode::kInvalidShape,
                fmt::format("input {} has {} spatial axes, this mode takes {}", toString(input),
                            axes, limit));
  if (a.size.empty() == a.scales.empty())
    throw Error(ErrorCode::kInvalidShape, "either size or scales is needed");
  Dims out = input;
  if (!a.size.empty()) {
    bool all = coversAllAxes(static_cast<std::size_t>(a.size.rank()), input, "size");
    if (all && (a.size[0] != input[0] || a.size[1] != input[1]))
      throw Error(ErrorCode::kInvalidShape, fmt::format("size {} changes the first two axes of {}",
                                                        toString(a.size), toString(input)));
    for (int i = 2; i < input.rank(); ++i) out[i] = a.size[all ? i : i - 2];
  } else {
    bool all = coversAllAxes(a.scales.size(), input, "scales");
    if (all && (a.scales[0] != 1 || a.scales[1] != 1))
      throw Error(ErrorCode::kInvalidShape,
                  fmt::format("scales {} and {} of the first two axes must be 1", a.scales[0],
                              a.scales[1]));
    for (int i = 2; i < input.rank(); ++i) {
      double scale = resizeScale(a, input, i);
      if (!(scale > 0 && scale <= 1e6))
        throw Error(ErrorCode::kInvalidShape,
                    fmt::format("scale {} is outside 0...1000000", scale));
      out[i] = static_cast<std::int64_t>(std::floor(static_cast<double>(input[i]) * scale));
    }
  }
  for (int i = 2; i < input.rank(); ++i)
    if (out[i] < 0 || (input[i] == 0 && out[i] != 0))
      throw Error(ErrorCode::kInvalidShape,
                  fmt::format("{} cannot be resized to {}", toString(input), toString(out)));
  return out;
}

double resizeSource(const Resize& a, const Dims& input, const Dims& output, int axis,
                    std::int64_t x) {
  auto in = static_cast<double>(input[axis]);
  auto out = static_cast<double>(output[axis]);
  auto at = static_cast<double>(x);
  // The product comes first: it is exact, so that one division alone is rounded.
  auto scaled = [&](double position) {
    return a.scales.empty() ? position * in / out : position / resizeScale(a, input, axis);
  };
  switch (a.coordinates) {
    case ResizeCoordinates::kAsymmetric:
      return scaled(at);
    case ResizeCoordinates::kPytorchHalfPixel:
      if (output[axis] == 1) return 0;
      [[fallthrough]];
    case ResizeCoordinates::kHalfPixel:
      return scaled(at + 0.5) - 0.5;
    case ResizeCoordinates::kAlignCorners:
      return output[axis] == 1 ? 0 : at * (in - 1) / (out - 1);
  }
  throw Error(ErrorCode::kInternal, "[resize] unknown coordinates");
}

std::int64_t roundNearest(NearestRounding rounding, double source, std::int64_t size) {
  double rounded = 0;
  switch (rounding) {
    case NearestRounding::kFloor:
      rounded = std::floor(source);
      break;
    case NearestRounding::kCeil:
      rounded = std::ceil(source);
      break;
    case NearestRounding::kHalfDown:
      rounded = std::ceil(source - 0.5);
      break;
    case NearestRounding::kHalfUp:
      rounded = std::floor(source + 0.5);
      break;
  }
  return std::clamp<std::int64_t>(static_cast<std::int64_t>(rounded), 0, size - 1);
}

}  // namespace layerwise
