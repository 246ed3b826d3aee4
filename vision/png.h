#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "layerwise/image.h"

namespace layerwise {

/// Decodes a PNG as it lies in the file: EXIF orientation is not applied but returned (1...8).
struct DecodedPng {
  Image image;
  int orientation = 1;
};
DecodedPng decodePng(std::span<const std::uint8_t> bytes, const std::string& name);

std::vector<std::uint8_t> encodePng(const ImageView& image, const std::string& name);

}  // namespace layerwise
