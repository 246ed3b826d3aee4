#include "layers/spatial.h"

#include <fmt/format.h>

#include <algorithm>

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

SpatialWindow resolve(const Dims& input, const Dims& kernel, const Dims& stride, const Dims& pre,
                      const Dims& post, const Dims& dilation, PaddingMode mode,
                      bool dropLastInPadding) {
  if (input.rank() < 3 || input.rank() > 5)
    throw Error(ErrorCode::kInvalidShape,
                fmt::format("input is {}: 3 to 5 axes needed", toString(input)));
  SpatialWindow w;
  w.axes = input.rank() - 2;
  if (kernel.empty()) throw Error(ErrorCode::kInvalidShape, "the kernel's size is not set");
  w.kernel = orDefault(kernel, w.axes, 1, "kernel", 1);
  w.stride = orDefault(stride, w.axes, 1, "stride", 1);
  w.prePadding = orDefault(pre, w.axes, 0, "pre_padding", 0);
  w.postPadding = orDefault(post, w.axes, 0, "post_padding", 0);
  w.dilation = orDefault(dilation, w.axes, 1, "dilation", 1);
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
    }
    w.output.append(out);
  }
  return w;
}

}  // namespace

SpatialWindow resolveWindow(const Convolution& a, const Dims& input) {
  return resolve(input, a.kernel, a.stride, a.prePadding, a.postPadding, a.dilation, a.paddingMode,
                 false);
}

SpatialWindow resolveWindow(const Pooling& a, const Dims& input) {
  if (a.global) {
    if (input.rank() < 3 || input.rank() > 5)
      throw Error(ErrorCode::kInvalidShape,
                  fmt::format("input is {}: 3 to 5 axes needed", toString(input)));
    Dims spatial;
    for (int i = 2; i < input.rank(); ++i) spatial.append(input[i]);
    return resolve(input, spatial, {}, {}, {}, {}, PaddingMode::kExplicitRoundDown, false);
  }
  return resolve(input, a.window, a.stride, a.prePadding, a.postPadding, {}, a.paddingMode, true);
}

}  // namespace layerwise
