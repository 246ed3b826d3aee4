#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "layerwise/image.h"

namespace layerwise {

/// Decodes a JPEG as it lies in the file: EXIF orientation is not applied but returned (1...8).
struct DecodedJpeg {
  Image image;
  int orientation = 1;
};
DecodedJpeg decodeJpeg(std::span<const std::uint8_t> bytes, const std::string& name);

std::vector<std::uint8_t> encodeJpeg(const ImageView& image, int quality, const std::string& name);

}  // namespace layerwise
