#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "layerwise/error.h"
#include "layerwise/preprocess.h"
#include "vision/planes.h"
#include "vision/resize.h"
#include "vision/view_check.h"

namespace layerwise {
namespace {

/// Python's round(): halves to even.
int roundHalfEven(double value) {
  return static_cast<int>(std::nearbyint(value));
}

void checkSizes(int imageWidth, int imageHeight, const LetterboxOptions& options) {
  constexpr int kMaxSide = 1 << 16;
  if (imageWidth <= 0 || imageHeight <= 0) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("[letterbox] a picture of {}x{} pixels", imageWidth, imageHeight));
  }
  if (options.width <= 0 || options.height <= 0 || options.width > kMaxSide ||
      options.height > kMaxSide) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("[letterbox] a network input of {}x{}", options.width, options.height));
  }
  if (options.rect && (options.stride <= 0 || options.stride > kMaxSide)) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("[letterbox] a stride of {}", options.stride));
  }
}

/// The reference's letterbox() of a width x height picture; fills everything but the way back.
/// Returns the ratio of its resize.
double fit(Letterbox& plan, int width, int height, const LetterboxOptions& options, bool scaleUp,
           bool minimumRectangle) {
  double ratio = std::min(static_cast<double>(options.height) / height,
                          static_cast<double>(options.width) / width);
  if (!scaleUp) ratio = std::min(ratio, 1.0);
  // A picture much longer than wide would lose all its columns, where the reference fails.
  plan.resizedWidth = std::max(roundHalfEven(width * ratio), 1);
  plan.resizedHeight = std::max(roundHalfEven(height * ratio), 1);
  int spareX = options.width - plan.resizedWidth;
  int spareY = options.height - plan.resizedHeight;
  if (minimumRectangle) {
    spareX %= options.stride;
    spareY %= options.stride;
  }
  plan.padX = spareX / 2.0;
  plan.padY = spareY / 2.0;
  plan.left = roundHalfEven(plan.padX - 0.1);
  plan.top = roundHalfEven(plan.padY - 0.1);
  plan.width = plan.left + plan.resizedWidth + roundHalfEven(plan.padX + 0.1);
  plan.height = plan.top + plan.resizedHeight + roundHalfEven(plan.padY + 0.1);
  plan.pad = options.pad;
  return ratio;
}

void fillRect(float* planes, const Letterbox& plan, int x, int y, int width, int height,
              float value) {
  const std::int64_t area = std::int64_t{plan.width} * plan.height;
  for (int c = 0; c < 3; ++c) {
    for (int row = y; row < y + height; ++row) {
      std::fill_n(planes + c * area + std::int64_t{row} * plan.width + x, width, value);
    }
  }
}

}  // namespace

Letterbox planLetterbox(int imageWidth, int imageHeight, const LetterboxOptions& options) {
  checkSizes(imageWidth, imageHeight, options);
  Letterbox plan;
  plan.imageWidth = imageWidth;
  plan.imageHeight = imageHeight;
  const double ratio = fit(plan, imageWidth, imageHeight, options, options.scaleUp, options.rect);
  plan.labelWidth = ratio * imageWidth;
  plan.labelHeight = ratio * imageHeight;
  plan.gain = std::min(static_cast<double>(plan.height) / imageHeight,
                       static_cast<double>(plan.width) / imageWidth);
  plan.padX = (plan.width - imageWidth * plan.gain) / 2;
  plan.padY = (plan.height - imageHeight * plan.gain) / 2;
  if (!options.scaleUp && ratio == 1.0) {  // where the inferred gain would be above 1
    plan.gain = 1.0;
    plan.padX = plan.left;
    plan.padY = plan.top;
  }
  return plan;
}

Letterbox planValidationLetterbox(int imageWidth, int imageHeight,
                                  const LetterboxOptions& options) {
  checkSizes(imageWidth, imageHeight, options);
  Letterbox plan;
  plan.imageWidth = imageWidth;
  plan.imageHeight = imageHeight;
  const int side = std::max(options.width, options.height);
  const double ratio = static_cast<double>(side) / std::max(imageWidth, imageHeight);
  int width = imageWidth;
  int height = imageHeight;
  if (ratio != 1.0) {
    width = plan.preWidth = static_cast<int>(std::ceil(imageWidth * ratio));
    height = plan.preHeight = static_cast<int>(std::ceil(imageHeight * ratio));
    plan.preFilter = ratio > 1.0 ? ResizeFilter::kLinear : ResizeFilter::kArea;
  }
  LetterboxOptions input = options;
  if (options.rect) {
    const double aspect = static_cast<double>(imageHeight) / imageWidth;
    const double across = aspect > 1.0 ? 1.0 / aspect : 1.0;
    const double down = aspect < 1.0 ? aspect : 1.0;
    const auto padded = [&](double share) {
      return static_cast<int>(std::ceil(share * side / options.stride + 0.5)) * options.stride;
    };
    input.width = padded(across);
    input.height = padded(down);
  }
  const double inner = fit(plan, width, height, input, false, false);
  plan.labelWidth = inner * width;
  plan.labelHeight = inner * height;
  plan.gain = static_cast<double>(height) / imageHeight;
  return plan;
}

void letterbox(const ImageView& image, const Letterbox& plan, float* planes) {
  checkView(image, "letterbox");
  if (image.width != plan.imageWidth || image.height != plan.imageHeight) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("[letterbox] the picture is {}x{}, the plan is for {}x{}", image.width,
                            image.height, plan.imageWidth, plan.imageHeight));
  }
  if (plan.preWidth > 0) {
    const int channels = channelsOf(image.format);
    std::vector<std::uint8_t> pixels(std::size_t(plan.preWidth) * plan.preHeight * channels);
    const MutableImageView first{pixels.data(), plan.preWidth, plan.preHeight,
                                 std::int64_t{plan.preWidth} * channels, image.format};
    resizeImage(image, first, plan.preFilter);
    Letterbox rest = plan;
    rest.imageWidth = plan.preWidth;
    rest.imageHeight = plan.preHeight;
    rest.preWidth = 0;
    letterbox(first, rest, planes);
    return;
  }
  const PlaneWriter writer(kUnitRange);
  const float pad = writer.value(0, plan.pad);
  const int right = plan.left + plan.resizedWidth;
  const int bottom = plan.top + plan.resizedHeight;
  fillRect(planes, plan, 0, 0, plan.width, plan.top, pad);
  fillRect(planes, plan, 0, bottom, plan.width, plan.height - bottom, pad);
  fillRect(planes, plan, 0, plan.top, plan.left, plan.resizedHeight, pad);
  fillRect(planes, plan, right, plan.top, plan.width - right, plan.resizedHeight, pad);
  const std::int64_t area = std::int64_t{plan.width} * plan.height;
  resizeRows(image, plan.resizedWidth, plan.resizedHeight, ResizeFilter::kLinear,
             [&](int y, const std::uint8_t* row) {
               const std::int64_t offset = std::int64_t{plan.top + y} * plan.width + plan.left;
               writer.write(row, image.format, plan.resizedWidth, planes, area, offset);
             });
}

Point pointToImage(const Letterbox& plan, const Point& point) {
  const auto map = [&](float value, double pad, int limit) {
    const float shifted = value - static_cast<float>(pad);
    const float scaled = shifted / static_cast<float>(plan.gain);
    return std::clamp(scaled, 0.0f, static_cast<float>(limit));
  };
  return {map(point.x, plan.padX, plan.imageWidth), map(point.y, plan.padY, plan.imageHeight)};
}

Box boxToImage(const Letterbox& plan, const Box& box) {
  const Point upperLeft = pointToImage(plan, Point{box.x1, box.y1});
  const Point lowerRight = pointToImage(plan, Point{box.x2, box.y2});
  return {upperLeft.x, upperLeft.y, lowerRight.x, lowerRight.y};
}

Box labelToImage(const Letterbox& plan, float cx, float cy, float width, float height) {
  // The reference clips to a thousandth of a pixel inside the input.
  constexpr float kMargin = 1e-3f;
  const auto place = [](float center, float size, float side, double extent, double pad,
                        int limit) {
    const float corner =
        static_cast<float>(extent) * (center + side * size / 2) + static_cast<float>(pad);
    return std::clamp(corner, 0.0f, static_cast<float>(limit) - kMargin);
  };
  return boxToImage(plan, Box{place(cx, width, -1, plan.labelWidth, plan.padX, plan.width),
                              place(cy, height, -1, plan.labelHeight, plan.padY, plan.height),
                              place(cx, width, 1, plan.labelWidth, plan.padX, plan.width),
                              place(cy, height, 1, plan.labelHeight, plan.padY, plan.height)});
}

}  // namespace layerwise
