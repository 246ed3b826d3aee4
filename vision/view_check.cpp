#include "vision/view_check.h"

#include <fmt/format.h>

#include "layerwise/error.h"

namespace layerwise {

void checkView(const ImageView& image, std::string_view what) {
  const auto refuse = [&](std::string_view why) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("[{}] {}", what, why));
  };
  if (image.width <= 0 || image.height <= 0) {
    throw refuse(fmt::format("a picture of {}x{} pixels", image.width, image.height));
  }
  if (std::int64_t{image.width} * image.height > kMaxImagePixels) {
    throw refuse(
        fmt::format("{}x{} is more than {} pixels", image.width, image.height, kMaxImagePixels));
  }
  if (image.pixels == nullptr) throw refuse("the picture has no pixels");
  const std::int64_t rowBytes = std::int64_t{image.width} * channelsOf(image.format);
  if (image.stride < rowBytes && image.height > 1) {
    throw refuse(fmt::format("a stride of {} bytes, a row has {}", image.stride, rowBytes));
  }
}

}  // namespace layerwise
