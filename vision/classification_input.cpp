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

ImageView cropOf(const ImageView& image, int left, int top, int width, int height) {
  ImageView crop = image;
  crop.pixels = image.row(top) + std::int64_t{left} * channelsOf(image.format);
  crop.width = width;
  crop.height = height;
  return crop;
}

/// ITU-R 601-2 luma with PIL's 16-bit weights.
std::vector<std::uint8_t> toGray(const ImageView& image) {
  std::vector<std::uint8_t> gray;
  gray.reserve(static_cast<std::size_t>(image.width) * image.height);
  const int step = channelsOf(image.format);
  const int red = image.format == PixelFormat::kBgr ? 2 : 0;
  for (int y = 0; y < image.height; ++y) {
    const std::uint8_t* pixel = image.row(y);
    for (int x = 0; x < image.width; ++x, pixel += step) {
      gray.push_back(step == 1 ? *pixel
                               : static_cast<std::uint8_t>((pixel[red] * 19595 + pixel[1] * 38470 +
                                                            pixel[2 - red] * 7471 + 0x8000) >>
                                                           16));
    }
  }
  return gray;
}

}  // namespace

void classificationInput(const ImageView& image, const ClassificationOptions& options,
                         float* planes) {
  checkView(image, "classification input");
  if (options.resize < 0 || options.crop <= 0) {
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format("[classification input] resize {} and crop {}", options.resize, options.crop));
  }
  int width = image.width;
  int height = image.height;
  if (options.resize > 0) {
    const std::int64_t shorter = std::min(width, height);
    const auto scaled = [&](int side) {
      const std::int64_t length = std::int64_t{side} * options.resize / shorter;
      return static_cast<int>(std::min<std::int64_t>(length, kMaxImagePixels));
    };
    width = scaled(width);
    height = scaled(height);
  }
  const int crop = options.crop;
  // torchvision's rounding; where the picture is smaller it is padded with black on both sides,
  // the odd pixel on the far one.
  const auto offset = [&](int side) {
    return side >= crop ? static_cast<int>(std::nearbyint((side - crop) / 2.0))
                        : -((crop - side) / 2);
  };
  const int left = offset(width);
  const int top = offset(height);
  const PlaneWriter writer(options.normalization);
  const std::int64_t area = std::int64_t{crop} * crop;
  if (width < crop || height < crop) {
    for (int c = 0; c < 3; ++c) std::fill_n(planes + c * area, area, writer.value(c, 0));
  }
  const int firstX = std::max(left, 0);
  const int count = std::min(width, left + crop) - firstX;
  const int channels = channelsOf(image.format);
  resizeRows(image, width, height, ResizeFilter::kAntialias, [&](int y, const std::uint8_t* row) {
    if (y < top || y >= top + crop) return;
    const std::int64_t to = std::int64_t{y - top} * crop + (firstX - left);
    writer.write(row + firstX * channels, image.format, count, planes, area, to);
  });
}

void centerSquareInput(const ImageView& image, int size, const PixelNormalization& normalization,
                       float* planes, ResizeFilter filter) {
  checkView(image, "classification input");
  const int side = std::min(image.width, image.height);
  const ImageView square =
      cropOf(image, (image.width - side) / 2, (image.height - side) / 2, side, side);
  stretchInput(square, size, size, planes, normalization, filter);
}

void stretchInput(const ImageView& image, int width, int height, float* planes,
                  const PixelNormalization& normalization, ResizeFilter filter) {
  const PlaneWriter writer(normalization);
  const std::int64_t area = std::int64_t{width} * height;
  resizeRows(image, width, height, filter, [&](int y, const std::uint8_t* row) {
    writer.write(row, image.format, width, planes, area, std::int64_t{y} * width);
  });
}

void grayInput(const ImageView& image, int size, int border,
               const PixelNormalization& normalization, float* plane) {
  checkView(image, "grey input");
  if (border < 0 || size <= 2 * border) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("[grey input] size {} with a border of {}", size, border));
  }
  const std::vector<std::uint8_t> pixels = toGray(image);
  const ImageView gray{pixels.data(), image.width, image.height, image.width, PixelFormat::kGray};
  if (image.width == size && image.height == size) border = 0;
  const PlaneWriter writer(normalization);
  std::fill_n(plane, std::int64_t{size} * size, writer.value(0, 0));
  const int inner = size - 2 * border;
  resizeRows(gray, inner, inner, ResizeFilter::kAntialias, [&](int y, const std::uint8_t* row) {
    float* to = plane + std::int64_t{y + border} * size + border;
    for (int x = 0; x < inner; ++x) to[x] = writer.value(0, row[x]);
  });
}

}  // namespace layerwise
