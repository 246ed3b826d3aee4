#include "vision/resize.h"

#include <fmt/format.h>

#include <cstring>

#include "layerwise/error.h"
#include "vision/view_check.h"

namespace layerwise {

void resizeRows(const ImageView& image, int width, int height, ResizeFilter filter,
                const RowSink& sink) {
  checkView(image, "resize");
  if (width <= 0 || height <= 0 || std::int64_t{width} * height > kMaxImagePixels) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("[resize] cannot make a picture of {}x{}", width, height));
  }
  if (width == image.width && height == image.height) {
    for (int y = 0; y < height; ++y) sink(y, image.row(y));
    return;
  }
  switch (filter) {
    case ResizeFilter::kLinear:
      // OpenCV takes its block average for a halving.
      if (image.width == 2 * width && image.height == 2 * height) {
        return resizeRowsArea(image, width, height, sink);
      }
      return resizeRowsLinear(image, width, height, false, sink);
    case ResizeFilter::kArea:
      return resizeRowsArea(image, width, height, sink);
    case ResizeFilter::kAntialias:
      return resizeRowsAntialias(image, width, height, sink);
  }
}

void resizeImage(const ImageView& from, const MutableImageView& to, ResizeFilter filter) {
  checkView(to, "resize");
  if (from.format != to.format) {
    throw Error(ErrorCode::kInvalidArgument, "[resize] the two pictures differ in format");
  }
  const std::size_t bytes = static_cast<std::size_t>(to.width) * channelsOf(to.format);
  resizeRows(from, to.width, to.height, filter,
             [&](int y, const std::uint8_t* row) { std::memcpy(to.row(y), row, bytes); });
}

}  // namespace layerwise
